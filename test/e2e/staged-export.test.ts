/** Staged table export: rows wait as CSV and are imported together. */
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ApiError,
  call,
  countsOf,
  createSink,
  createStream,
  listAll,
  push,
} from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

let server: TestServer;
let sql: postgres.Sql;
let stream: string;
beforeAll(async () => {
  server = await startServer();
  sql = connect(server.env.SINK_DATABASE_URL ?? "");
  stream = await createStream(server, "staged", {
    fields: { id: "LONG", name: "STRING?", extra: "JSON?" },
    keyFields: ["id"],
    throughput: "HIGH",
  });
});
afterAll(async () => {
  await sql?.end();
  await server?.close();
});

interface Staging {
  rows?: string;
  rowsLimit?: string;
  bytes?: string;
  bytesLimit?: string;
  ageLimit?: string;
  age?: string;
  expireTime?: string;
  importRows?: string;
}

const sinks = (method: string, request: unknown) =>
  call<Record<string, unknown>>(server, `management.v1.SinkService/${method}`, request);

async function statusOf(name: string) {
  const { sink } = await sinks("GetSink", { name });
  return (sink as { status: Record<string, unknown> & { staging?: Staging } }).status;
}

async function stagedRows(name: string): Promise<number> {
  return Number((await statusOf(name)).staging?.rows ?? 0);
}

async function readCsv(name: string): Promise<string> {
  let csv = "";
  for (let pageToken = ""; ; ) {
    const page: { csv?: string; nextPageToken?: string } = await sinks("ReadStagedCsv", {
      name,
      pageToken,
    });
    csv += Buffer.from(page.csv ?? "", "base64").toString();
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") return csv;
  }
}

async function idsIn(table: string): Promise<number[]> {
  const rows = await sql<{ id: string }[]>`SELECT id FROM ${sql(table)} ORDER BY id`;
  return rows.map((row) => Number(row.id));
}

async function pushIds(ids: readonly number[]): Promise<void> {
  const answer = await push(
    server,
    stream,
    ids.map((id) => ({ id, name: `n${id}` })),
  );
  expect(answer.status).toBe(200);
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

test.each([
  ["K14", { time: "29.9s" }, "sink.postgres.staging.time"],
  ["K14", { time: "86401s" }, "sink.postgres.staging.time"],
  ["K15", { size: "99" }, "sink.postgres.staging.size"],
  ["K15", { size: "52428801" }, "sink.postgres.staging.size"],
  ["K16", { count: "-1" }, "sink.postgres.staging.count"],
  ["K16", { count: "10000001" }, "sink.postgres.staging.count"],
])("%s: %j is refused with a field violation, and nothing is made", async (_, staging, field) => {
  const wanted = { id: "refused", postgres: { table: "refused", staging } };
  const error = await createSink(server, stream, wanted).catch((e: unknown) => e as ApiError);
  expect(error).toBeInstanceOf(ApiError);
  expect((error as ApiError).code).toBe("invalid_argument");
  expect((error as ApiError).message).toContain(field);
});

test("K13, K16: a row stands in the staged CSV at once, and 1,000 rows bring the import", async () => {
  const { name } = await createSink(server, stream, {
    id: "counted",
    postgres: { table: "counted", staging: {} },
  });
  const odd = [
    { id: 1, name: 'say "hi", he\r\nsaid \\.', extra: { a: [1, "x,y"] } },
    { id: 2, name: "" },
    { id: 3, name: null, extra: null },
  ];
  expect((await push(server, stream, odd)).status).toBe(200);
  await waitFor(async () => (await stagedRows(name)) === 3, { what: "three staged rows" });
  expect(await idsIn("counted")).toEqual([]);
  const lines = (await readCsv(name)).split("\r\n");
  expect(lines[0]).toBe("id,name,extra");
  const csv = await readCsv(name);
  expect(csv).toContain('1,"say ""hi"", he\r\nsaid \\.","{""a"":[1,""x,y""]}"\r\n');
  expect(csv).toContain('2,"",\r\n');
  expect(csv).toContain("3,,\r\n");
  expect((await statusOf(name)).staging).toMatchObject({
    rows: "3",
    rowsLimit: "1000",
    bytesLimit: "5242880",
    ageLimit: "300s",
  });
  expect(await countsOf(server, name)).toMatchObject({ delivered: 0, pending: 3, pushed: 3 });
  const { stagedChunks } = await sinks("ListStagedChunks", { parent: name });
  expect((stagedChunks as { rows: number }[]).reduce((sum, each) => sum + each.rows, 0)).toBe(3);
  const [record] = await listAll(server, stream);
  const outcomeOf = async () => {
    const method = "management.v1.DeliveryService/TraceRecord";
    const { trace } = await call<{ trace: { sinks: { sink: string; outcome: string }[] } }>(
      server,
      method,
      { stream, recordId: record?.id },
    );
    return trace.sinks.find(({ sink }) => sink === name)?.outcome;
  };
  expect(await outcomeOf(), "N08").toBe("STAGED");
  await pushIds(range(4, 997));
  await waitFor(async () => (await idsIn("counted")).length >= 1000, { what: "the import" });
  expect(await idsIn("counted")).toEqual(range(1, 1000));
  const [first] = await sql`SELECT name, extra FROM counted WHERE id = 1`;
  expect(first).toEqual({ name: odd[0]?.name, extra: odd[0]?.extra });
  const [second] = await sql`SELECT name FROM counted WHERE id = 2`;
  const [third] = await sql`SELECT name FROM counted WHERE id = 3`;
  expect([second?.name, third?.name]).toEqual(["", null]);
  await waitFor(async () => (await stagedRows(name)) === 0, { what: "empty staging" });
  expect(await countsOf(server, name)).toMatchObject({ delivered: 1000, pending: 0 });
  expect(await readCsv(name)).toBe("");
  expect(await outcomeOf(), "N08").toBe("DELIVERED");
  await sinks("DeleteSink", { name });
});

test("K13: a bucket for staged rows where the server has none makes no sink, and says what to do", async () => {
  const refused = createSink(server, stream, {
    id: "no-bucket",
    postgres: { table: "no_bucket", staging: { store: "BUCKET" } },
  });
  await expect(refused).rejects.toMatchObject({ reason: "DESTINATION_REFUSED" });
  await expect(refused).rejects.toThrow(/STAGING_MISSING: .*TRIBUTARY_STAGING_BUCKET/);
  expect((await sql`SELECT to_regclass('no_bucket') AS found`)[0]?.found).toBe(null);
});

test("K15: the size condition brings the import", async () => {
  const { name } = await createSink(server, stream, {
    id: "sized",
    postgres: { table: "sized", staging: { size: "100" } },
  });
  await pushIds([1]);
  await waitFor(async () => (await stagedRows(name)) === 1, { what: "a staged row" });
  await pushIds(range(2, 20));
  await waitFor(async () => (await idsIn("sized")).length === 21, { what: "the import" });
  await sinks("DeleteSink", { name });
});

test("K21: after the table was altered by hand rows wait, the state says why, and a restart imports each once", async () => {
  const { name } = await createSink(server, stream, {
    id: "altered",
    postgres: { table: "altered", staging: { count: "10" } },
  });
  await pushIds(range(1, 10));
  await waitFor(async () => (await idsIn("altered")).length === 10, { what: "the first import" });
  await sql`ALTER TABLE altered RENAME COLUMN name TO title`;
  await sql`ALTER TABLE altered ALTER COLUMN title SET NOT NULL`;
  await pushIds(range(11, 10));
  const status = await waitFor(
    async () => {
      const found = await statusOf(name);
      return found.state === "ERROR" ? found : undefined;
    },
    { what: "the state to say why" },
  );
  expect(status.reason).toBe("TABLE_MISMATCH");
  expect(status.cause).toMatch(/column name text is missing.*10 staged rows wait.*expire at/s);
  // Rows are staged on: only their import waits.
  await pushIds(range(21, 5));
  await waitFor(async () => (await stagedRows(name)) === 15, { what: "more staged rows" });
  expect((await statusOf(name)).state).toBe("ERROR");
  expect(await countsOf(server, name)).toMatchObject({ delivered: 10, pending: 15 });
  await sql`ALTER TABLE altered RENAME COLUMN title TO name`;
  await sql`ALTER TABLE altered ALTER COLUMN name DROP NOT NULL`;
  await sinks("RestartSink", { name });
  await waitFor(async () => (await idsIn("altered")).length >= 25, { what: "the second import" });
  expect(await idsIn("altered")).toEqual(range(1, 25));
  await waitFor(async () => (await statusOf(name)).state === "RUNNING", { what: "the state" });
  await sinks("DeleteSink", { name });
});

test("K22: what is staged is imported when the sink is deleted, or the answer says what is left", async () => {
  const { name } = await createSink(server, stream, {
    id: "deleted",
    postgres: { table: "deleted", mode: "UPSERT", primaryKey: ["id"], staging: {} },
  });
  await pushIds(range(1, 7));
  await pushIds(range(1, 7));
  await waitFor(async () => (await stagedRows(name)) === 14, { what: "staged rows" });
  expect(await sinks("DeleteSink", { name })).toEqual({ importedRows: "14" });
  expect(await idsIn("deleted")).toEqual(range(1, 7));
  const broken = await createSink(server, stream, {
    id: "broken",
    postgres: { table: "broken", staging: {} },
  });
  await pushIds([1, 2]);
  await waitFor(async () => (await stagedRows(broken.name)) === 2, { what: "staged rows" });
  await sql`ALTER TABLE broken DROP COLUMN name`;
  const answer = await sinks("DeleteSink", { name: broken.name });
  expect(answer).toMatchObject({ leftRows: "2" });
  expect(answer.leftCause).toMatch(/column name text is missing/);
});

test("a row that the table refuses at the import is held with the reason, and the others are there; replayed, it is imported", async () => {
  const { name } = await createSink(server, stream, {
    id: "picky",
    postgres: { table: "picky", staging: { count: "6" } },
  });
  await sql`ALTER TABLE picky ADD CONSTRAINT small CHECK (id < 1000)`;
  await pushIds([1, 2, 5000, 3, 6000, 4]);
  await waitFor(async () => (await idsIn("picky")).length === 4, { what: "the good rows" });
  expect(await idsIn("picky")).toEqual([1, 2, 3, 4]);
  await waitFor(async () => (await countsOf(server, name)).held === 2, { what: "held rows" });
  expect(await countsOf(server, name)).toMatchObject({ delivered: 4, held: 2, pending: 0 });
  const { heldRecords } = await sinks("ListHeldRecords", { parent: name });
  const held = heldRecords as { reason: string; error: string; value: { id: number } }[];
  expect(held.map(({ reason }) => reason)).toEqual(["CONSTRAINT_VIOLATED", "CONSTRAINT_VIOLATED"]);
  expect(held[0]?.error).toMatch(/small/);
  expect((await statusOf(name)).state).toBe("RUNNING");
  await sql`ALTER TABLE picky DROP CONSTRAINT small`;
  expect(await sinks("ReplayHeldRecords", { name })).toEqual({ count: "2" });
  await waitFor(async () => (await stagedRows(name)) === 2, { what: "staged replays" });
  await pushIds(range(10, 4));
  await waitFor(async () => (await idsIn("picky")).length === 10, { what: "the replayed rows" });
  await waitFor(async () => (await countsOf(server, name)).delivered === 10, { what: "counts" });
  expect(await countsOf(server, name)).toMatchObject({ held: 0, pending: 0, pushed: 10 });
  const refusal = { id: "blocking", onRecordFailure: "BLOCK_KEY" };
  const blocking = { ...refusal, postgres: { table: "blocking", staging: {} } };
  await expect(createSink(server, stream, blocking)).rejects.toThrow(/on_record_failure/);
  await sinks("DeleteSink", { name });
});

test("K23: a changed table is made or checked as at creation; rows staged before go to the table of their time", async () => {
  const { name } = await createSink(server, stream, {
    id: "moving",
    postgres: { table: "before", primaryKey: ["id"], mode: "UPSERT", staging: { count: "8" } },
  });
  const moveTo = (table: string, more: object = { staging: { count: "8" } }) =>
    sinks("UpdateSink", {
      sink: { name, postgres: { table, primaryKey: ["id"], mode: "UPSERT", ...more } },
      updateMask: "postgres",
    });
  await pushIds([1, 2, 3]);
  await waitFor(async () => (await stagedRows(name)) === 3, { what: "staged rows" });
  await sql`CREATE TABLE other (id text PRIMARY KEY, name text)`;
  await expect(moveTo("other")).rejects.toThrow(
    /column id is text instead of bigint.*column extra jsonb is missing/,
  );
  await expect(moveTo("after", {})).rejects.toThrow(/sink\.postgres\.staging/);
  await moveTo("after");
  const columns = await sql`SELECT column_name AS name, data_type AS type FROM
    information_schema.columns WHERE table_name = 'after' ORDER BY ordinal_position`;
  expect(columns.map(({ name: column, type }) => `${column} ${type}`)).toEqual([
    "id bigint",
    "name text",
    "extra jsonb",
  ]);
  await pushIds([4, 5, 6, 7, 8]);
  await waitFor(async () => (await idsIn("after")).length === 5, { what: "the import" });
  expect(await idsIn("before")).toEqual([1, 2, 3]);
  expect(await idsIn("after")).toEqual([4, 5, 6, 7, 8]);
  await sinks("DeleteSink", { name });
});

test("B21: a table that is restored from a backup of its own gets the rows again that it lost, each once", async () => {
  const { name } = await createSink(server, stream, {
    id: "restored",
    postgres: { table: "restored", staging: { count: "10" } },
  });
  await pushIds(range(10_000, 10));
  await waitFor(async () => (await countsOf(server, name)).delivered === 10, {
    timeoutMs: 30_000,
    what: "the first import",
  });
  // The table and the positions of its database, as a backup has both.
  await sql`CREATE TABLE backup_rows AS SELECT * FROM restored`;
  await sql`CREATE TABLE backup_cursors AS SELECT * FROM tributary.sink_cursors
    WHERE sink_name = ${name}`;
  for (const from of [10_010, 10_020]) {
    await pushIds(range(from, 10));
    await waitFor(async () => (await countsOf(server, name)).delivered === from - 9_990, {
      timeoutMs: 30_000,
      what: "the imports after the backup",
    });
  }
  await sql.begin(async (each) => {
    await each`TRUNCATE restored`;
    await each`INSERT INTO restored SELECT * FROM backup_rows`;
    await each`DELETE FROM tributary.sink_cursors WHERE sink_name = ${name}`;
    await each`INSERT INTO tributary.sink_cursors SELECT * FROM backup_cursors`;
  });
  expect(await idsIn("restored")).toEqual(range(10_000, 10));
  await pushIds(range(10_030, 10));
  await waitFor(async () => (await idsIn("restored")).length >= 40, {
    timeoutMs: 30_000,
    what: "all rows",
  });
  await waitFor(async () => (await countsOf(server, name)).delivered === 40, {
    timeoutMs: 30_000,
    what: "all to be counted",
  });
  expect(await idsIn("restored")).toEqual(range(10_000, 40));
});
