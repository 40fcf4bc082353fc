import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  type ApiError,
  call,
  countsOf,
  createSink,
  createStream,
  getSink,
  push,
} from "../support/api.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../support/load.ts";
import { createMigration, getMigration, whenMigrated } from "../support/moves.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

let server: TestServer;
let load: Load | undefined;

beforeAll(async () => {
  server = await startServer();
});
afterEach(async () => {
  await load?.stop(0);
  load = undefined;
});
afterAll(() => server?.close());

const openSql = () => connect(server.env.SINK_DATABASE_URL ?? "");
const idOf = (record: Record<string, unknown>) => `${record.writer}/${record.key}/${record.n}`;

async function makeStream(id: string) {
  return await createStream(server, id, {
    fields: LOAD_FIELDS,
    keyFields: ["key"],
    throughput: "HIGH",
  });
}

async function rowIds(table: string): Promise<string[]> {
  const sql = openSql();
  try {
    return (await sql`SELECT writer, key, n FROM ${sql(table)}`).map(idOf);
  } finally {
    await sql.end();
  }
}

const whenSettled = (sink: string) =>
  waitFor(async () => (await countsOf(server, sink)).pending === 0, {
    timeoutMs: 30_000,
    everyMs: 100,
    what: `${sink} to settle`,
  });

test("E23: a sink that is quite new, of a stream that rests, can be moved", async () => {
  const stream = await makeStream("resting");
  for (const records of [[], [{ writer: "w", key: "k", n: 1 }]]) {
    if (records.length > 0) await push(server, stream, records);
    const id = `old-${records.length}`;
    const { name } = await createSink(server, stream, { id, file: { directory: id } });
    const sink = { file: { directory: `${id}-new` } };
    const made = await createMigration(server, name, { sinkId: `${id}-new`, sink });
    const done = await whenMigrated(server, made);
    expect(done).toMatchObject({ state: "SUCCEEDED", report: { complete: true } });
  }
});

test("E23, N06: from one Postgres table to another under load: each record stands in exactly one of them, once", async () => {
  const stream = await makeStream("tables");
  const old = await createSink(server, stream, { id: "old", postgres: { table: "moved_old" } });
  load = startLoad({ target: server, stream, writers: 4, pauseMs: 5 });
  await waitFor(async () => (await countsOf(server, old.name)).delivered! > 300, {
    what: "deliveries",
  });
  const made = await createMigration(server, old.name, {
    sinkId: "new",
    sink: { postgres: { table: "moved_new" } },
  });
  const done = await whenMigrated(server, made);
  expect(done.state).toBe("SUCCEEDED");
  const fresh = `${stream}/sinks/new`;
  await waitFor(async () => (await countsOf(server, fresh)).delivered! > 300, { what: "the rest" });
  await load.stop();
  await whenSettled(fresh);
  const [before, after] = [await rowIds("moved_old"), await rowIds("moved_new")];
  const all = [...before, ...after];
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBeGreaterThanOrEqual(load.history.count("ok"));
  expect(before.length).toBe(Number(done.report?.sourceRecords));
  expect(done.report).toMatchObject({ complete: true });
  expect(done.report?.missing ?? "0").toBe("0");
  expect(done.report?.partitions?.every((p) => /^[0-9a-f]{64}$/.test(p.sourceHash ?? ""))).toBe(
    true,
  );
  const sink = await getSink(server, old.name);
  expect(sink.status).toMatchObject({ endSequence: done.sequence, state: "RUNNING" });
  const again = createMigration(server, old.name, {
    sinkId: "x",
    sink: { file: { directory: "x" } },
  });
  await expect(again).rejects.toThrow(/was moved at sequence/);
}, 120_000);

test("E23: from files to a table under load: the union has every record exactly once", async () => {
  const stream = await makeStream("files");
  const old = await createSink(server, stream, {
    id: "old",
    file: { directory: "moved" },
    batching: { time: "0.2s" },
  });
  load = startLoad({ target: server, stream, writers: 4, pauseMs: 5 });
  await waitFor(async () => (await countsOf(server, old.name)).delivered! > 300, {
    what: "deliveries",
  });
  const made = await createMigration(server, old.name, {
    sinkId: "new",
    sink: { postgres: { table: "from_files" } },
  });
  const done = await whenMigrated(server, made);
  expect(done).toMatchObject({ state: "SUCCEEDED", report: { complete: true } });
  await waitFor(async () => (await countsOf(server, `${stream}/sinks/new`)).delivered! > 300, {
    what: "the rest",
  });
  await load.stop();
  await whenSettled(`${stream}/sinks/new`);
  const folder = join(server.dataDir, "files", "moved");
  const lines = readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line) => idOf(JSON.parse(line) as Record<string, unknown>));
  const all = [...lines, ...(await rowIds("from_files"))];
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBeGreaterThanOrEqual(load.history.count("ok"));
}, 120_000);

test("E23, N06: a migration goes on after kill -9 in the middle, with the old destination down at first", async () => {
  const port = Number(new URL(server.url).port);
  const receiver = await startReceiver();
  const stream = await makeStream("killed");
  const old = await createSink(server, stream, {
    id: "old",
    webhook: { url: receiver.url },
    retry: { schedule: ["0.2s"], timeout: "2s" },
  });
  const marker = (n: number) => ({ key: `k${n % 5}`, writer: 0, n });
  const numbers = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => marker(from + i));
  await push(server, stream, numbers(0, 100));
  await whenSettled(old.name);
  receiver.mode = { kind: "status", status: 500 };
  await push(server, stream, numbers(100, 100));
  const made = await createMigration(server, old.name, {
    sinkId: "new",
    sink: { postgres: { table: "after_kill" } },
    requestId: "once",
  });
  await waitFor(async () => Number((await getMigration(server, made.name)).sequence ?? 0) > 0, {
    what: "the sequence",
  });
  await server.stop("SIGKILL");
  server = await startServer({ dataDir: server.dataDir, port });
  await push(server, stream, numbers(200, 100));
  // The kill may come before the new sink is made: then the task makes it once it goes on.
  const delivered = () =>
    countsOf(server, `${stream}/sinks/new`).then(
      (counts) => counts.delivered,
      () => -1,
    );
  await waitFor(async () => (await delivered()) === 100, {
    timeoutMs: 30_000,
    what: "the new sink to deliver what comes later while the old one fails",
  });
  expect(await getMigration(server, made.name)).toMatchObject({ state: "RUNNING" });
  receiver.mode = { kind: "ok" };
  const done = await whenMigrated(server, made, 60_000);
  expect(done).toMatchObject({ state: "SUCCEEDED", report: { sourceRecords: "200" } });
  const seen = new Set(receiver.accepted().map((record) => Number(record.n)));
  expect([...seen].sort((a, b) => a - b)).toEqual(numbers(0, 200).map(({ n }) => n));
  expect((await rowIds("after_kill")).length).toBe(100);
  await receiver.close();
}, 120_000);

test("N06: what cannot be moved is refused, and trying changes nothing", async () => {
  const stream = await makeStream("kept");
  const old = await createSink(server, stream, { id: "old", postgres: { table: "kept" } });
  const refusal = (sink: unknown) =>
    createMigration(server, old.name, { sinkId: "new", sink }).then(
      () => "none",
      (error: unknown) => (error as ApiError).text,
    );
  expect(await refusal({ postgres: { table: "no table" } })).toMatch(/table/);
  expect(await refusal({ file: { directory: "y" }, start: { position: "EARLIEST" } })).toMatch(
    /start/,
  );
  await call(server, "management.v1.SinkService/PauseSink", { name: old.name });
  const made = await createMigration(server, old.name, {
    sinkId: "new",
    sink: { file: { directory: "z" } },
    validateOnly: true,
  });
  expect(made).toMatchObject({ target: `${stream}/sinks/new` });
  await call(server, "management.v1.SinkService/ResumeSink", { name: old.name });
  await push(server, stream, [{ key: "a", writer: 0, n: 1 }]);
  const sql = openSql();
  await waitFor(async () => (await countRows(sql, "kept")) === 1, { what: "the record" });
  await sql.end();
}, 120_000);
