import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { SinkRow } from "../../../src/sinks/sink.ts";
import type {
  StagedBatch,
  StagedChunk,
  StagedRows,
  StagingPort,
} from "../../../src/sinks/staging.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

let url: string;
let sql: postgres.Sql;
beforeAll(async () => {
  url = await createTestDatabase();
  sql = postgres(url, { max: 1, onnotice: () => undefined });
});
afterAll(() => sql?.end());

const schema = schemaOf([
  { name: "id", type: T.LONG },
  { name: "text", type: T.STRING, nullable: true },
]);

/** A sink with its own table, and what stages and imports for it. */
function createExport(
  table: string,
  changes: { mode?: PostgresSink_Mode; primaryKey?: string[] } = {},
) {
  const config = create(PostgresSinkSchema, {
    databaseUrl: url,
    table,
    staging: {},
    ...changes,
  });
  const sinkUid = `uid${table}`;
  let staged: StagedRows | undefined;
  const staging: StagingPort = {
    claim: async () => undefined,
    append: async (_, rows) => {
      staged = rows;
      return { kind: "rows", outcomes: [] };
    },
  };
  const env = environment({ schema, sinkUid, staging });
  return {
    async chunk(sequence: number, rows: readonly SinkRow[]): Promise<StagedChunk> {
      const sink = await postgresDriver.open(config, env);
      await sink.write(requestOf(rows), attempt());
      const lines = staged!.lines.map(({ csv }) => csv);
      return {
        sequence,
        timeMs: 0,
        sinkVersion: 1,
        partition: 0,
        isReplay: false,
        columns: staged!.columns,
        places: rows.map(({ place }) => place),
        lineBytes: lines.map((line) => Buffer.byteLength(line)),
        csv: Buffer.from(lines.join("")),
      };
    },
    import: (
      chunks: readonly StagedChunk[],
      isRefusalAllowed = true,
      identity = "one",
      former: StagedBatch["former"] = [],
      imported = 0,
    ) =>
      postgresDriver.staging!.import({ config, newest: config }, env, {
        batch: { identity, former, chunks, imported, isRefusalAllowed },
        signal: attempt(),
      }),
  };
}

test("D1: an import that is repeated changes nothing and gives the same refused rows", async () => {
  const { chunk, import: take } = createExport("again");
  await sql`CREATE TABLE again (id bigint NOT NULL CHECK (id < 100), text text)`;
  const first = await chunk(5, rowsOf([{ id: 1 }, { id: 100 }, { id: 2 }], 1));
  const refused = [{ place: { sequence: 1, index: 1 }, reason: "CONSTRAINT_VIOLATED" }];
  await expect(take([first], false)).rejects.toMatchObject({ reason: "ROWS_REFUSED" });
  expect(await take([first])).toMatchObject(refused);
  expect(await take([first])).toMatchObject(refused);
  const second = await chunk(9, rowsOf([{ id: 3 }], 2));
  // The answer to the first one was never heard.
  expect(await take([first, second])).toMatchObject(refused);
  expect(await take([second])).toEqual([]);
  expect((await sql`SELECT id FROM again ORDER BY id`).map(({ id }) => Number(id))).toEqual([
    1, 2, 3,
  ]);
  // Another staging counts its sequences anew.
  expect(await take([{ ...second, sequence: 1 }], true, "two")).toEqual([]);
  expect(await sql`SELECT FROM again`).toHaveLength(4);
});

test("two nodes that import the same rows at once store them once", async () => {
  const { chunk, import: take } = createExport("raced");
  const chunks = [await chunk(1, rowsOf([{ id: 1 }, { id: 2 }], 1))];
  await Promise.all([take(chunks), take(chunks), take(chunks)]);
  expect(await sql`SELECT FROM raced`).toHaveLength(2);
});

test("RFC 4180: every text comes through CSV and COPY as it was", async () => {
  const texts = [
    ...["a,b", '"', "", "\\.", "\\N", "NULL", "\r\n", "\n\\.\n", " x ", "é\u{1F600}", "\t"],
    ...['a"b"', "'", "{}", "\u0001"],
  ];
  const { chunk, import: take } = createExport("texts", {
    mode: PostgresSink_Mode.UPSERT,
    primaryKey: ["id"],
  });
  const rows = [...texts, null].map((text, id) => ({ id, text }));
  await take([await chunk(1, rowsOf([{ id: 0, text: "older" }, ...rows], 1))]);
  const stored = await sql`SELECT id::int, text FROM texts ORDER BY id`;
  expect(stored.map(({ text }) => text as unknown)).toEqual([...texts, null]);
});

test("a staging that was restored from a backup is known up to where it was restored", async () => {
  const { chunk, import: take } = createExport("restored");
  const first = await chunk(1, rowsOf([{ id: 1 }], 1));
  const second = await chunk(2, rowsOf([{ id: 2 }], 2));
  const third = await chunk(3, rowsOf([{ id: 3 }], 3));
  await take([first, second, third], true, "old");
  // Restored as it was after the second chunk; the next one has the third's sequence.
  const next = await chunk(3, rowsOf([{ id: 4 }], 3));
  await take([first, second, next], true, "new", [{ identity: "old", lastSequence: 2 }]);
  const ids = (await sql`SELECT id::int FROM restored ORDER BY id`).map(({ id }) => id as number);
  expect(ids).toEqual([1, 2, 3, 4]);
});

test("a target that remembers less than was imported says so before it takes anything", async () => {
  const { chunk, import: take } = createExport("forgetful");
  const chunks = [
    await chunk(1, rowsOf([{ id: 1 }], 1)),
    await chunk(2, rowsOf([{ id: 2 }], 2)),
  ] as const;
  await expect(take(chunks, true, "one", [], 7)).rejects.toMatchObject({ sequence: 0 });
  await take([chunks[0]]);
  const behind = take(chunks, true, "one", [], 2);
  await expect(behind).rejects.toMatchObject({ reason: "TARGET_BEHIND", sequence: 1 });
  await expect(behind).rejects.toMatchObject({ sinceMs: expect.any(Number) });
  // Nothing to import: the memories are compared alone.
  await expect(take([], true, "one", [], 2)).rejects.toMatchObject({ sequence: 1 });
  expect(await take([], true, "one", [], 1)).toEqual([]);
  // Of another staging the mark tells nothing.
  await take([{ ...chunks[1], sequence: 1 }], true, "two", [], 9);
  expect((await sql`SELECT id::int FROM forgetful`).map(({ id }) => Number(id))).toEqual([1, 2]);
});
