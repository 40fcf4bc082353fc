import { create, type MessageInitShape } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const before = schemaOf([{ name: "id", type: T.LONG }]);
const after = schemaOf([
  { name: "id", type: T.LONG },
  { name: "unit", type: T.STRING },
  { name: "tags", type: T.ARRAY, nullable: true, element: { type: T.STRING } },
]);
let url: string;
let sql: postgres.Sql;
const opened: OpenSink[] = [];

beforeAll(async () => {
  url = await createTestDatabase();
  sql = postgres(url, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await Promise.all(opened.map((sink) => sink.close()));
  await sql.end();
});

const configOf = (init: MessageInitShape<typeof PostgresSinkSchema>) =>
  create(PostgresSinkSchema, { databaseUrl: url, ...init });

async function open(
  init: MessageInitShape<typeof PostgresSinkSchema>,
  { schema = before, schemaVersion = 1 } = {},
) {
  const env = environment({ schema, schemaVersion, sinkUid: `uid-${init.table}` });
  const sink = await postgresDriver.open(configOf(init), env);
  opened.push(sink);
  await sink.resume?.(0, 1);
  return sink;
}

const newRow = { id: 2, unit: "K", tags: ["a"] };
const at = (version: number, record: unknown) =>
  rowsOf([record], version).map((row) => ({ ...row, schemaVersion: version }));

test.each([PostgresSink_Mode.APPEND, PostgresSink_Mode.UPSERT])(
  "a new field becomes a column that may be null when the sink says so (mode %s)",
  async (mode) => {
    const init = { table: `grows_${mode}`, mode, addColumns: true, primaryKey: ["id"] };
    const old = await open(init);
    await old.write(requestOf(at(1, { id: 1 })), attempt());
    const sinks = await Promise.all(
      [1, 2, 3].map(() => open(init, { schema: after, schemaVersion: 2 })),
    );
    expect(await sinks[0]?.write(requestOf(at(2, newRow)), attempt())).toMatchObject({
      outcomes: [{ kind: "delivered" }],
    });
    expect([
      ...(await sql`SELECT id::int, unit, tags FROM ${sql(init.table)} ORDER BY id`),
    ]).toEqual([{ id: 1, unit: null, tags: null }, newRow]);
  },
);

test("without it the sink names each column that is missing", async () => {
  await open({ table: "fixed" });
  await expect(open({ table: "fixed" }, { schema: after })).rejects.toMatchObject({
    reason: "TABLE_MISMATCH",
    message: expect.stringMatching(/column unit text is missing; column tags jsonb is missing/),
  });
});

test("a column of another type is no new column, and one of the key is not added", async () => {
  await sql`CREATE TABLE other_type (id bigint, unit integer)`;
  await expect(
    open({ table: "other_type", addColumns: true }, { schema: after }),
  ).rejects.toMatchObject({ message: expect.stringContaining("unit is integer instead of text") });
  await sql`CREATE TABLE other_key (id bigint)`;
  const keyed = { table: "other_key", addColumns: true, primaryKey: ["id", "unit"] };
  await expect(open(keyed, { schema: after })).rejects.toMatchObject({
    message: expect.stringContaining("column unit text is missing"),
  });
});

test("a record of a newer schema waits until the sink knows that schema", async () => {
  const sink = await open({ table: "ahead", addColumns: true });
  expect(await sink.write(requestOf(at(2, newRow)), attempt())).toMatchObject({
    kind: "retry",
    scope: "sink",
    reason: "SCHEMA_CHANGED",
    burnsAttempt: false,
  });
  expect(await sql`SELECT FROM ahead`).toHaveLength(0);
});

test("a test of a destination adds no column", async () => {
  await open({ table: "tested" });
  const config = configOf({ table: "tested", addColumns: true });
  const env = environment({ schema: after });
  const look = { prepare: false, signal: attempt() };
  const found = await postgresDriver.test(config, env, look);
  expect(found.every((stage) => stage.isOk)).toBe(true);
  const columns = await sql`SELECT FROM information_schema.columns
    WHERE table_name = 'tested' AND column_name = 'unit'`;
  expect(columns).toHaveLength(0);
  const made = await postgresDriver.test(config, env, { ...look, prepare: true });
  expect(made.every((stage) => stage.isOk)).toBe(true);
});
