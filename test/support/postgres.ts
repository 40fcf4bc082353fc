import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import type { Child } from "../../src/embedded/child.ts";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { findPostgres } from "../../src/embedded/postgres-binaries.ts";
import { openCluster } from "../../src/embedded/postgres-cluster.ts";
import { startPostgresProcess } from "../../src/embedded/postgres-process.ts";
import { findServiceUser } from "../../src/embedded/service-user.ts";

const run = promisify(execFile);

export interface TestPostgres {
  /** Superuser URL of the maintenance database `postgres`. The port stays the same over restarts. */
  readonly url: string;
  readonly pid: number;
  /**
   * Makes an empty database (or a copy of `template`, to which nobody may be connected) and returns
   * its superuser URL.
   */
  createDatabase(name?: string, options?: { template?: string }): Promise<string>;
  /** Sends a signal; waits until the server is gone for SIGKILL, SIGINT, SIGTERM and SIGQUIT. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server when it runs and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Ends the server and deletes its data. */
  close(): Promise<void>;
}

/**
 * Starts a Postgres of its own, for tests that kill or restart it; the others take a database of the
 * shared one with `createTestDatabase`. Its data is safe against kill -9 but not a power cut
 * (fsync is off) unless `durable` is set.
 */
export async function startTestPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const user = await findServiceUser();
  const shared = join(tmpdir(), `tributary-test-${userInfo().uid}`);
  const binaries = await findPostgres(user, [join(shared, "programs")]);
  const template = await findTemplate(shared, () => ({ binaries, user }));
  const folder = await mkdtemp(join(tmpdir(), "tributary-postgres-"));
  await run("cp", ["-a", `${template}/.`, folder]);
  const cluster = await openCluster({ folder, binaries, user });
  const port = await findFreePort();
  let child: Child;
  const start = async () => {
    child = await startPostgresProcess({ binaries, cluster, user, port, durable });
  };
  await start();
  const url = `postgres://postgres:${cluster.passwords.postgres}@127.0.0.1:${port}/postgres`;
  return {
    url,
    get pid() {
      return child.pid;
    },
    createDatabase: (name, options) => createDatabase(url, name, options),
    async kill(signal) {
      child.kill(signal);
      if (["SIGKILL", "SIGINT", "SIGTERM", "SIGQUIT"].includes(signal)) await child.exited;
    },
    async restart() {
      await child.stop();
      await start();
    },
    async close() {
      child.kill("SIGQUIT");
      await child.stop(5_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes a database on the server of the superuser URL `url` and returns its URL. */
export async function createDatabase(
  url: string,
  name = `test_${randomBytes(6).toString("hex")}`,
  { template = "template1" }: { template?: string } = {},
): Promise<string> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template)}`;
  } finally {
    await sql.end();
  }
  const made = new URL(url);
  made.pathname = `/${name}`;
  return made.href;
}

/** A cluster made by initdb once per machine and Postgres version; each server starts on a copy. */
async function findTemplate(
  shared: string,
  programs: () => Pick<Parameters<typeof openCluster>[0], "binaries" | "user">,
): Promise<string> {
  const template = join(shared, "template-1");
  const exists = await access(template).then(
    () => true,
    () => false,
  );
  if (exists) return template;
  await mkdir(shared, { recursive: true, mode: 0o755 });
  const staged = await mkdtemp(join(shared, "making-"));
  await openCluster({ folder: staged, ...programs() });
  await rename(staged, template).catch(() => rm(staged, { recursive: true, force: true }));
  return template;
}
