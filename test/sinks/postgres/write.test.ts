import { create, type MessageInitShape } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { OpenSink, RequestOutcome } from "../../../src/sinks/sink.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

let url: string;
let sql: postgres.Sql;
const opened: OpenSink[] = [];

const SENSORS = schemaOf([
  { name: "sensor", type: T.STRING },
  { name: "seq", type: T.LONG },
  { name: "value", type: T.DOUBLE, nullable: true },
]);

beforeAll(async () => {
  url = await createTestDatabase();
  sql = postgres(url, { max: 2, onnotice: () => undefined });
});

afterAll(async () => {
  await Promise.all(opened.map((sink) => sink.close()));
  await sql.end();
});

async function open(
  init: MessageInitShape<typeof PostgresSinkSchema>,
  { schema = SENSORS, sinkUid = `uid-${init.table}`, node = 0 } = {},
) {
  const config = create(PostgresSinkSchema, { databaseUrl: url, ...init });
  const sink = await postgresDriver.open(
    config,
    environment({ schema, sinkUid, egressAllowList: node ? [`10.${node}.0.0/16`] : [] }),
  );
  opened.push(sink);
  return sink;
}

const sensor = (seq: number, value: unknown = 1.5) => ({ sensor: "a", seq, value });
const delivered = { kind: "delivered" };

test("K20: makes the table with types and key, and writes rows", async () => {
  const sink = await open({ table: "made", primaryKey: ["sensor", "seq"] });
  expect(await sink.resume?.(0, 1)).toBeUndefined();
  const outcome = await sink.write(requestOf(rowsOf([sensor(1), sensor(2, null)])), attempt());
  expect(outcome).toEqual({ kind: "rows", outcomes: [delivered, delivered] });
  expect([...(await sql`SELECT sensor, seq::text, value FROM made ORDER BY seq`)]).toEqual([
    { sensor: "a", seq: "1", value: 1.5 },
    { sensor: "a", seq: "2", value: null },
  ]);
  expect(await sink.resume?.(0, 2)).toMatchObject({ epoch: 1, rejects: [] });
});

test("N12: every type arrives as it was written", async () => {
  const schema = schemaOf([
    { name: "big", type: T.LONG },
    { name: "whole", type: T.LONG },
    { name: "tiny", type: T.DOUBLE },
    { name: "dec", type: T.DECIMAL },
    { name: "dec-text", type: T.DECIMAL },
    { name: "Flag", type: T.BOOLEAN },
    { name: "at", type: T.TIMESTAMP },
    { name: "day", type: T.DATE },
    { name: "bin", type: T.BINARY },
    { name: "list", type: T.ARRAY, element: { type: T.DECIMAL } },
    { name: "any", type: T.JSON },
    { name: "text", type: T.STRING },
  ]);
  const metadataColumns = { recordId: "rid", arrivalTime: "arrived", producerId: "pid" };
  const sink = await open({ table: "all_types", metadataColumns }, { schema });
  await sink.resume?.(0, 1);
  const record =
    '{"big":9007199254740993,"whole":1.2e3,"tiny":1e-400,"dec":1e400,"dec-text":"0.10000000000000000000000001","Flag":true,' +
    '"at":"2026-01-02T03:04:05.123456+02:00","day":"2024-02-29","bin":"AP8=","list":[12345678901234567890.123456789, null],' +
    '"any":{"a\\"b\\\\":null , "n": 1.10},"text":"tab\\t\\"quote\\" back\\\\slash \\ud83d\\ude00 {,}NULL"}';
  const [row] = rowsOf([record]);
  const outcome = await sink.write(requestOf([{ ...row!, producerId: 'p"1\\' }]), attempt());
  expect(outcome).toMatchObject({ outcomes: [delivered] });
  const [found] =
    await sql`SELECT big::text, whole::text, tiny, dec::text, "dec-text"::text AS dt, "Flag",
    at AT TIME ZONE 'UTC' || '' AS at, day::text, encode(bin, 'hex') AS bin, list::text, "any"::text, text,
    rid::text, pid, extract(epoch FROM arrived)::text AS arrived FROM all_types`;
  expect(found).toEqual({
    big: "9007199254740993",
    whole: "1200",
    tiny: 0,
    dec: `1${"0".repeat(400)}`,
    dt: "0.10000000000000000000000001",
    Flag: true,
    at: "2026-01-02 01:04:05.123456",
    day: "2024-02-29",
    bin: "00ff",
    list: "[12345678901234567890.123456789, null]",
    any: '{"n": 1.10, "a\\"b\\\\": null}',
    text: 'tab\t"quote" back\\slash 😀 {,}NULL',
    rid: row!.recordId,
    pid: 'p"1\\',
    arrived: "1700000000.123456",
  });
});

describe("N04: exactly once", () => {
  test("the same request twice stores its rows once, also after the sink was opened anew", async () => {
    const sink = await open({ table: "once" });
    await sink.resume?.(0, 1);
    const request = requestOf(rowsOf([sensor(1), sensor(2)]));
    for (let i = 0; i < 3; i += 1) {
      expect(await sink.write(request, attempt())).toMatchObject({
        outcomes: [delivered, delivered],
      });
    }
    const other = await open({ table: "once" });
    const kept = await other.resume?.(0, 1);
    expect(Buffer.from(kept!.cursor)).toEqual(request.cursor);
    expect(await other.write(request, attempt())).toMatchObject({ kind: "rows" });
    expect(await sql`SELECT FROM once`).toHaveLength(2);
  });

  test("a commit whose answer was lost is recognised by the request and its cursor", async () => {
    const sink = await open({ table: "lost_answer" });
    await sink.resume?.(0, 1);
    const request = requestOf(rowsOf([sensor(1), { ...sensor(2), sensor: "a\u0000b" }]));
    // What another process commits for the same owner, this one has not heard of. Processes share no
    // connections, and sinks under different rules of egress share none either.
    const twin = await open({ table: "lost_answer" }, { node: 1 });
    await twin.resume?.(0, 1);
    const first = await twin.write(request, attempt());
    expect(await sink.write({ ...request, cursor: Buffer.from("x") }, attempt())).toEqual(first);
    expect(await sink.write(request, attempt())).toEqual(first);
    expect(first).toMatchObject({ outcomes: [delivered, { kind: "reject" }] });
    expect(await sql`SELECT FROM lost_answer`).toHaveLength(1);
    const next = requestOf(rowsOf([sensor(3)], 2));
    expect(await twin.write(next, attempt())).toMatchObject({ outcomes: [delivered] });
  });

  test("a lower epoch is fenced and stores nothing; it cannot claim either", async () => {
    const [old, young] = [await open({ table: "fenced" }), await open({ table: "fenced" })];
    await old.resume?.(0, 4);
    await young.resume?.(0, 5);
    const request = requestOf(rowsOf([sensor(1)]), { epoch: 4 });
    expect(await old.write(request, attempt())).toEqual({ kind: "fenced" });
    const bad = requestOf(rowsOf(['{"sensor":"a","seq":99999999999999999999}']), { epoch: 4 });
    expect(await old.write(bad, attempt())).toEqual({ kind: "fenced" });
    expect(await sql`SELECT FROM fenced`).toHaveLength(0);
    await expect(old.resume?.(0, 4)).rejects.toMatchObject({ reason: "FENCED", targetEpoch: 5 });
  });

  test("a target restored from an older backup fences the writer, and resume gives the old cursor", async () => {
    const sink = await open({ table: "restored" });
    await sink.resume?.(0, 1);
    await sink.write(requestOf(rowsOf([sensor(1)], 1)), attempt());
    const backup =
      await sql`SELECT cursor, request_id FROM tributary.sink_cursors WHERE sink_uid = 'uid-restored'`;
    await sink.write(requestOf(rowsOf([sensor(2)], 2)), attempt());
    await sql`UPDATE tributary.sink_cursors SET ${sql(backup[0]!, "cursor", "request_id")} WHERE sink_uid = 'uid-restored'`;
    const next = requestOf(rowsOf([sensor(3)], 3));
    expect(await sink.write(next, attempt())).toEqual({ kind: "fenced" });
    expect(String(Buffer.from((await sink.resume?.(0, 2))!.cursor))).toBe("cursor of r-1");
  });

  test("a replay without a cursor is stored once and moves no cursor", async () => {
    const sink = await open({ table: "replayed" });
    await sink.resume?.(0, 1);
    await sink.write(requestOf(rowsOf([sensor(1)])), attempt());
    const { cursor: _, ...replay } = requestOf(rowsOf([sensor(9), sensor(10)], 7), {
      isReplay: true,
    });
    expect(await sink.write(replay, attempt())).toMatchObject({ outcomes: [delivered, delivered] });
    expect(await sink.write(replay, attempt())).toMatchObject({ outcomes: [delivered, delivered] });
    expect(await sql`SELECT FROM replayed`).toHaveLength(3);
    expect(String(Buffer.from((await sink.resume?.(0, 1))!.cursor))).toBe("cursor of r-1");
  });
});

test("UPSERT keeps the newest row of a key, within a request and between requests", async () => {
  const config = { table: "upserted", primaryKey: ["sensor"], mode: PostgresSink_Mode.UPSERT };
  const sink = await open(config);
  await sink.resume?.(0, 1);
  const first = [sensor(1), sensor(2), { ...sensor(3), sensor: "b" }];
  await sink.write(requestOf(rowsOf(first, 1)), attempt());
  await sink.write(requestOf(rowsOf([{ ...sensor(4), sensor: "b" }], 2)), attempt());
  const rows = await sql`SELECT sensor, seq::int FROM upserted ORDER BY sensor`;
  expect([...rows]).toEqual([
    { sensor: "a", seq: 2 },
    { sensor: "b", seq: 4 },
  ]);
});

describe("rows that Postgres refuses", () => {
  test("are found and named, and the others are stored in order", async () => {
    const sink = await open({ table: "some_bad", primaryKey: ["seq"] });
    await sink.resume?.(0, 1);
    const records: unknown[] = Array.from({ length: 300 }, (_, i) => sensor(i));
    records[7] = sensor(6);
    records[120] = '{"sensor":"nul \\u0000","seq":120}';
    records[299] = '{"sensor":"a","seq":9223372036854775808}';
    const request = requestOf(rowsOf(records));
    const outcome = await sink.write(request, attempt());
    const outcomes = outcome.kind === "rows" ? outcome.outcomes : [];
    const rejected = outcomes.flatMap((row, i) => (row.kind === "reject" ? [[i, row.reason]] : []));
    expect(rejected).toEqual([
      [7, "CONSTRAINT_VIOLATED"],
      [120, "VALUE_REFUSED"],
      [299, "VALUE_REFUSED"],
    ]);
    expect(outcomes[7]).toMatchObject({ why: expect.stringContaining("23505") });
    expect(await sql`SELECT FROM some_bad`).toHaveLength(297);
    expect(await sink.write(request, attempt())).toEqual(outcome);
    const kept = await sink.resume?.(0, 2);
    expect(kept?.rejects.map((row) => row.place.index)).toEqual([120, 7, 299]);
  });

  test("when there are very many, the request is to be halved and nothing is stored", async () => {
    const sink = await open({ table: "all_bad" });
    await sink.resume?.(0, 1);
    const bad = Array.from({ length: 400 }, () => '{"sensor":"a","seq":9223372036854775808}');
    const outcome = await sink.write(requestOf(rowsOf(bad)), attempt());
    expect(outcome).toMatchObject({ kind: "retry", scope: "request", reason: "TOO_MANY_BAD_ROWS" });
    const one = requestOf(rowsOf(bad.slice(0, 1)));
    expect(await sink.write(one, attempt())).toMatchObject({ outcomes: [{ kind: "reject" }] });
  });
});

describe("rows that Postgres refuses for other reasons", () => {
  const indexesOf = (outcome: RequestOutcome) =>
    outcome.kind === "rows"
      ? outcome.outcomes.flatMap((row, i) => (row.kind === "reject" ? [i] : []))
      : outcome;

  test("100 of 5,000 are found, wherever they stand", async () => {
    const sink = await open({ table: "hundred_bad" });
    await sink.resume?.(0, 1);
    const bad = Array.from({ length: 100 }, (_, i) => 49 * i + (i % 7));
    const records = Array.from({ length: 5000 }, (_, i) =>
      bad.includes(i) ? `{"sensor":"a","seq":${2n ** 63n}}` : sensor(i),
    );
    expect(indexesOf(await sink.write(requestOf(rowsOf(records)), attempt(30_000)))).toEqual(bad);
    expect(await sql`SELECT FROM hundred_bad`).toHaveLength(4900);
  });

  test.each(["NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])(
    "foreign keys (%s), for which COPY names no line",
    async (when) => {
      const table = `child_${when.length}`;
      await sql`CREATE TABLE IF NOT EXISTS parent (seq bigint PRIMARY KEY)`;
      await sql`INSERT INTO parent SELECT * FROM generate_series(0, 99) ON CONFLICT DO NOTHING`;
      await sql.unsafe(`CREATE TABLE ${table} (sensor text NOT NULL, value float8,
        seq bigint NOT NULL REFERENCES parent ${when})`);
      const sink = await open({ table });
      await sink.resume?.(0, 1);
      const records = Array.from({ length: 100 }, (_, i) => sensor(i === 40 || i === 77 ? -i : i));
      const request = requestOf(rowsOf(records));
      expect(indexesOf(await sink.write(request, attempt(30_000)))).toEqual([40, 77]);
      expect(await sql`SELECT FROM ${sql(table)}`).toHaveLength(98);
    },
  );

  test("a trigger that raises", async () => {
    await sql`CREATE TABLE guarded (sensor text, seq bigint, value float8)`;
    await sql`CREATE FUNCTION no_seven() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq = 7 THEN RAISE 'no seven'; END IF; RETURN NEW; END $$`;
    await sql`CREATE TRIGGER guard BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION no_seven()`;
    const sink = await open({ table: "guarded" });
    await sink.resume?.(0, 1);
    const records = Array.from({ length: 10 }, (_, i) => sensor(i));
    expect(indexesOf(await sink.write(requestOf(rowsOf(records)), attempt()))).toEqual([7]);
  });

  test("in mode UPSERT too", async () => {
    const config = { table: "upsert_bad", primaryKey: ["seq"], mode: PostgresSink_Mode.UPSERT };
    const sink = await open(config);
    await sink.resume?.(0, 1);
    await sql`ALTER TABLE upsert_bad ADD CHECK (value < 100)`;
    const records = [sensor(1), sensor(2, 100), sensor(1, 7), `{"sensor":"a","seq":${2n ** 63n}}`];
    const outcome = await sink.write(requestOf(rowsOf(records)), attempt());
    expect(indexesOf(outcome)).toEqual([1, 3]);
    expect([...(await sql`SELECT seq::int, value FROM upsert_bad`)]).toEqual([
      { seq: 1, value: 7 },
    ]);
  });
});

describe("K20: a table that does not fit", () => {
  test("names every difference", async () => {
    await sql`CREATE TABLE misfit (sensor integer, value double precision NOT NULL, extra text NOT NULL)`;
    await expect(open({ table: "misfit", primaryKey: ["sensor"] })).rejects.toMatchObject({
      reason: "TABLE_MISMATCH",
      message: expect.stringMatching(
        /sensor is integer instead of text; column seq bigint is missing; column value takes no null.*; column extra.*; the primary key is none instead of \(sensor\)/,
      ),
    });
  });

  test("is a failure of the sink while it runs: dropped table, missing column, missing right", async () => {
    const sink = await open({ table: "dropped" });
    await sink.resume?.(0, 1);
    const request = requestOf(rowsOf([sensor(1)]));
    const expectReason = async (reason: string) =>
      expect(await sink.write(request, attempt())).toMatchObject({ scope: "sink", reason });
    await sql`ALTER TABLE dropped RENAME COLUMN seq TO other`;
    await expectReason("TABLE_MISMATCH");
    await sql`ALTER TABLE dropped RENAME COLUMN other TO seq`;
    await sql`ALTER TABLE dropped RENAME TO elsewhere`;
    await expectReason("TABLE_MISMATCH");
    await sql`ALTER TABLE elsewhere RENAME TO dropped`;
    expect(await sink.write(request, attempt())).toMatchObject({ outcomes: [delivered] });
  });
});

test("33: hostile names and values stay names and values", async () => {
  const name = `x"; DROP TABLE canary; --`;
  const schema = schemaOf([{ name, type: T.STRING }]);
  await sql`CREATE TABLE canary (a int)`;
  const sink = await open({ table: "hostile" }, { schema });
  await sink.resume?.(0, 1);
  const values = [`'; DROP TABLE canary; --`, `"},{"`, "\\", '\\"', "NULL", "$1", "{}", "é\n\r\t"];
  const records = values.map((value) => ({ [name]: value }));
  expect(await sink.write(requestOf(rowsOf(records)), attempt())).toMatchObject({ kind: "rows" });
  const rows = await sql`SELECT * FROM hostile`;
  expect(rows.map((row) => row[name])).toEqual(values);
  expect(await sql`SELECT FROM canary`).toHaveLength(0);
});

test("the end of an attempt cancels the statement and releases its locks within 1 s", async () => {
  const sink = await open({ table: "locked" });
  await sink.resume?.(0, 1);
  const request = requestOf(rowsOf([sensor(1)]));
  await sql.begin(async (transaction) => {
    await transaction`LOCK TABLE locked IN ACCESS EXCLUSIVE MODE`;
    const start = performance.now();
    const outcome = await sink.write(request, attempt(300));
    expect(outcome).toMatchObject({ kind: "retry", scope: "sink", reason: "TIMEOUT" });
    expect(performance.now() - start).toBeLessThan(1300);
  });
  expect(await sink.write(request, attempt())).toMatchObject({ outcomes: [delivered] });
  expect(await sql`SELECT FROM locked`).toHaveLength(1);
});

test("a request of many MiB is stored in parts and in one transaction, bad rows included", async () => {
  const sink = await open({ table: "large", primaryKey: ["seq"] });
  await sink.resume?.(0, 1);
  const long = 'x\\\n"é'.repeat(20_000);
  const records: unknown[] = Array.from({ length: 40 }, (_, i) => ({ sensor: long, seq: i }));
  records[33] = '{"sensor":"a","seq":32}';
  const request = requestOf(rowsOf(records));
  const outcome = await sink.write(request, attempt());
  const kinds = outcome.kind === "rows" ? outcome.outcomes.map((row) => row.kind) : [];
  expect(kinds.indexOf("reject")).toBe(33);
  expect(await sink.write(request, attempt())).toEqual(outcome);
  const [row] = await sql`SELECT count(*)::int AS n, bool_and(sensor = ${long}) AS same FROM large`;
  expect(row).toEqual({ n: 39, same: true });
});

test("many processes may open a sink of a new database at once", async () => {
  const fresh = await createTestDatabase();
  const sinks = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      open({ table: "race", databaseUrl: fresh }, { node: i + 1 }),
    ),
  );
  await Promise.all(sinks.map((sink) => sink.resume?.(0, 1)));
});
