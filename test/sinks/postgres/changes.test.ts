import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { SchemaSchema, Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf } from "../sample.ts";

const schema = create(SchemaSchema, {
  fields: [
    { name: "region", type: T.STRING },
    { name: "id", type: T.LONG },
    { name: "version", type: T.LONG },
    { name: "gone", type: T.BOOLEAN, nullable: true },
    { name: "note", type: T.STRING, nullable: true },
  ],
  changeDataCapture: { primaryKey: ["region", "id"], orderField: "version", deleteField: "gone" },
});

/** A change of a row. */
interface Change {
  readonly region: string;
  readonly id: number;
  readonly version: number;
  readonly gone: boolean | null;
  readonly note: string;
}

let url: string;
let sql: postgres.Sql;
const opened: OpenSink[] = [];
let sequence = 0;

beforeAll(async () => {
  url = await createTestDatabase();
  sql = postgres(url, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await Promise.all(opened.map((sink) => sink.close()));
  await sql.end();
});

const configOf = (table: string) =>
  create(PostgresSinkSchema, {
    databaseUrl: url,
    table,
    mode: PostgresSink_Mode.CHANGE_DATA_CAPTURE,
  });

async function open(table: string, { sinkUid = `uid-${table}`, retentionAgeMs = 60_000 } = {}) {
  const env = environment({ schema, sinkUid, schemaVersion: 1, retentionAgeMs });
  const sink = await postgresDriver.open(configOf(table), env);
  opened.push(sink);
  await sink.resume?.(0, 1);
  return sink;
}

async function write(sink: OpenSink, changes: readonly unknown[]) {
  sequence += 1;
  return sink.write(requestOf(rowsOf(changes, sequence)), attempt());
}

const change = (id: number, version: number, more: Partial<Change> = {}): Change => ({
  region: "r",
  id,
  version,
  gone: false,
  note: `${id} at ${version}`,
  ...more,
});

const rowsIn = async (table: string) =>
  (
    await sql`SELECT region, id::int, version::int, note FROM ${sql(table)} ORDER BY region, id`
  ).map((row) => ({ ...row }));

/** What the table must hold: for each key the change with the greatest version, unless it is a deletion. */
function newestOf(changes: readonly Change[]) {
  const newest = new Map<string, Change>();
  for (const each of changes) {
    const key = `${each.region} ${each.id}`;
    if ((newest.get(key)?.version ?? -1) < each.version) newest.set(key, each);
  }
  return [...newest.values()]
    .filter(({ gone }) => !gone)
    .map(({ region, id, version, note }) => ({ region, id, version, note }))
    .sort((a, b) => (a.region === b.region ? a.id - b.id : a.region < b.region ? -1 : 1));
}

test("F09: whatever the order, the repeats and the batches, the table holds the newest rows and no deleted ones", async () => {
  const sink = await open("shuffled");
  const changes = fc
    .uniqueArray(
      fc.record({
        region: fc.constantFrom("a", "b"),
        id: fc.integer({ min: 1, max: 5 }),
        version: fc.integer({ min: 1, max: 12 }),
        gone: fc.constantFrom(true, false, null),
      }),
      { selector: ({ region, id, version }) => `${region} ${id} ${version}`, maxLength: 60 },
    )
    .map((all) => all.map((each): Change => ({ ...each, note: JSON.stringify(each) })));
  const scenario = changes.chain((all) =>
    fc.record({
      all: fc.constant(all),
      // Each change at least once, in any order, some of them again.
      sent: fc.array(fc.nat(Math.max(0, all.length - 1)), { maxLength: 40 }).chain((again) =>
        fc.shuffledSubarray(
          [...all.keys(), ...(all.length ? again : [])].map((i) => i),
          { minLength: all.length + (all.length ? again.length : 0) },
        ),
      ),
      cuts: fc.array(fc.nat(100), { maxLength: 6 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(scenario, async ({ all, sent, cuts }) => {
      const places = [...cuts.map((cut) => cut % (sent.length + 1)), sent.length].sort(
        (a, b) => a - b,
      );
      let from = 0;
      for (const to of places) {
        const part = sent.slice(from, to).map((i) => all[i]);
        from = to;
        if (part.length === 0) continue;
        expect(await write(sink, part)).toMatchObject({ kind: "rows" });
      }
      expect(await rowsIn("shuffled")).toEqual(newestOf(all));
      await sql`TRUNCATE shuffled`;
      const [tombs] = await sql`SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE obj_description(c.oid) = 'deleted rows of "public"."shuffled"'`;
      await sql.unsafe(`TRUNCATE ${tombs?.name}`);
    }),
    { numRuns: 60 },
  );
}, 60_000);

describe("F09: changes", () => {
  test("an insert that is older than the deletion does not bring the row back; a newer one does", async () => {
    const sink = await open("reborn");
    await write(sink, [change(1, 1), change(2, 1)]);
    await write(sink, [change(1, 5, { gone: true })]);
    await write(sink, [change(1, 3)]);
    expect(await rowsIn("reborn")).toMatchObject([{ id: 2 }]);
    await write(sink, [change(1, 6)]);
    await write(sink, [change(1, 5, { gone: true })]);
    expect(await rowsIn("reborn")).toMatchObject([{ id: 1, version: 6 }, { id: 2 }]);
  });

  test("a deletion that comes first counts, for the retention of the stream and no longer", async () => {
    const sink = await open("early");
    await write(sink, [change(1, 9, { gone: true })]);
    await write(sink, [change(1, 8)]);
    expect(await rowsIn("early")).toEqual([]);
    const again = await open("early", { sinkUid: "uid-early-2", retentionAgeMs: 0 });
    await write(again, [change(2, 1)]);
    await write(again, [change(1, 8)]);
    expect(await rowsIn("early")).toMatchObject([{ id: 1 }, { id: 2 }]);
  });

  test("of two changes with the same order the first one counts", async () => {
    const sink = await open("ties");
    await write(sink, [change(1, 1, { note: "first" }), change(1, 1, { note: "second" })]);
    await write(sink, [change(1, 1, { note: "third" })]);
    expect(await rowsIn("ties")).toMatchObject([{ note: "first" }]);
  });

  test("a row that Postgres refuses is named, and the others of its batch count", async () => {
    const sink = await open("refused");
    const bad = '{"region":"r","id":9223372036854775808,"version":1}';
    const late = '{"region":"nul \\u0000","id":1,"version":1}';
    const outcome = await write(sink, [change(1, 1), bad, change(2, 1, { gone: true }), late]);
    const kinds = outcome.kind === "rows" ? outcome.outcomes.map((row) => row.kind) : [];
    expect(kinds).toEqual(["delivered", "reject", "delivered", "reject"]);
    await write(sink, [change(2, 0)]);
    expect(await rowsIn("refused")).toMatchObject([{ id: 1 }]);
  });

  test("two sinks that write one table at once agree", async () => {
    const [one, two] = [
      await open("both", { sinkUid: "uid-both-1" }),
      await open("both", { sinkUid: "uid-both-2" }),
    ];
    for (let round = 0; round < 10; round += 1) {
      const ids = Array.from({ length: 20 }, (_, i) => round * 20 + i);
      await Promise.all([
        write(
          one,
          ids.map((id) => change(id, 2, { gone: true })),
        ),
        write(
          two,
          ids.map((id) => change(id, 1)),
        ),
      ]);
    }
    expect(await rowsIn("both")).toEqual([]);
  });

  test("the delete field is no column, and the order must be kept by a mapping", async () => {
    const columns = await sql`SELECT attname AS name FROM pg_attribute
      WHERE attrelid = 'ties'::regclass AND attnum > 0 ORDER BY attnum`;
    expect(columns.map((column) => column.name)).toEqual(["region", "id", "version", "note"]);
    const config = configOf("t");
    expect(postgresDriver.check(config, { schema })).toEqual([]);
    const mapped = create(SchemaSchema, {
      ...schema,
      fields: schema.fields.filter((field) => field.name !== "version"),
    });
    expect(postgresDriver.check(config, { schema: mapped })).toMatchObject([
      { field: "mode", description: expect.stringContaining('no field "version"') },
    ]);
    const plain = create(SchemaSchema, { fields: schema.fields });
    expect(postgresDriver.check(config, { schema: plain })).toMatchObject([
      { field: "mode", description: expect.stringContaining("change_data_capture") },
    ]);
    const other = Object.assign(configOf("t"), { primaryKey: ["id"] });
    expect(postgresDriver.check(other, { schema })).toMatchObject([{ field: "primary_key" }]);
  });
});
