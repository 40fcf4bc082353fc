import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeDurably } from "./durable-file.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import type { ServiceUser } from "./service-user.ts";

/** The roles of the embedded Postgres with their passwords, made once per data directory. */
export interface PostgresPasswords {
  /** Superuser. */
  postgres: string;
  /** Owns the database `tributary`, may create databases and roles. */
  tributary: string;
  /** Owns the database `sinks`, where the demo sink writes. */
  sinks: string;
}

/** A database cluster on disk, ready to be served. */
export interface PostgresCluster {
  /** The real path of the cluster, for us. */
  path: string;
  /** What the server is told as its data directory; its working directory is `path`. */
  servedAs: string;
  passwords: PostgresPasswords;
}

export interface ClusterOptions {
  /** Holds the cluster in `data` and the passwords in `passwords.json`. */
  folder: string;
  binaries: PostgresBinaries;
  user: ServiceUser | undefined;
}

/**
 * Opens the cluster in `folder`, made by initdb when it is not there yet.
 *
 * As root on Linux the server runs as another user, and its cluster may lie below folders which that
 * user cannot enter (a clone in /root). Permissions of outer folders matter only for paths that walk
 * through them, so the child is put into the cluster as its working directory before it becomes that
 * user, and knows its data directory as `/proc/self/cwd`. Postgres makes its data directory
 * its working directory anyway and keeps it in all its processes. So the data stays in our data
 * directory, and no folder has to be opened to others.
 */
export async function openCluster({
  folder,
  binaries,
  user,
}: ClusterOptions): Promise<PostgresCluster> {
  const path = join(folder, "data");
  const describe = (passwords: PostgresPasswords, at = path): PostgresCluster => ({
    path: at,
    servedAs: user && process.platform === "linux" ? "/proc/self/cwd" : at,
    passwords,
  });
  if (await exists(join(path, "PG_VERSION"))) {
    return describe(JSON.parse(await readFile(passwordsFile(folder), "utf8")));
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const staged = join(folder, "data.new");
  await rm(staged, { recursive: true, force: true });
  await mkdir(staged, { mode: 0o700 });
  if (user) await chown(staged, user.uid, user.gid);
  const passwords = makePasswords();
  await writeDurably(passwordsFile(folder), `${JSON.stringify(passwords, null, 2)}\n`);
  await initialise(describe(passwords, staged), binaries, user);
  // The cluster appears whole or not at all, so a start that was killed halfway just begins again.
  await rename(staged, path);
  await syncFolder(folder);
  return describe(passwords);
}

async function initialise(
  { path, servedAs, passwords }: PostgresCluster,
  { initdb, postgres }: PostgresBinaries,
  user: ServiceUser | undefined,
): Promise<void> {
  const options = { cwd: path, user };
  const args = ["-D", servedAs, "-U", "postgres", "--encoding=UTF8", "--locale=C"];
  args.push("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions");
  // Nothing listens yet; the rules and passwords below are in place before anything does.
  await run(initdb, [...args, "--auth=trust"], "", options);
  await writeFile(join(path, "pg_hba.conf"), hostRules, { flush: true });
  // Single-user mode needs no port and no password, one statement a line.
  const sql = [
    `ALTER ROLE postgres PASSWORD '${passwords.postgres}';`,
    `CREATE ROLE tributary LOGIN CREATEDB CREATEROLE PASSWORD '${passwords.tributary}';`,
    `CREATE ROLE sinks LOGIN PASSWORD '${passwords.sinks}';`,
    "CREATE DATABASE tributary OWNER tributary;",
    "CREATE DATABASE sinks OWNER sinks;",
    "REVOKE CONNECT ON DATABASE tributary FROM PUBLIC;",
  ];
  await run(postgres, ["--single", "-j", "-D", servedAs, "postgres"], sql.join("\n\n"), options);
}

const hostRules = `# TYPE DATABASE USER ADDRESS METHOD
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
`;

function makePasswords(): PostgresPasswords {
  const make = () => randomBytes(24).toString("hex");
  return { postgres: make(), tributary: make(), sinks: make() };
}

function passwordsFile(folder: string): string {
  return join(folder, "passwords.json");
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function run(
  program: string,
  args: readonly string[],
  input: string,
  { cwd, user }: { cwd: string; user: ServiceUser | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { cwd, env: { LC_ALL: "C", TZ: "UTC" }, ...user });
    let output = "";
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_096);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${code ?? signal}: ${output.trim()}`));
    });
  });
}
