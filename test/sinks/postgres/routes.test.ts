import { create, type MessageInitShape } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([
  { name: "kind", type: T.STRING, nullable: true },
  { name: "n", type: T.LONG },
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

async function open(init: MessageInitShape<typeof PostgresSinkSchema>, rows = schema) {
  const env = environment({ schema: rows, sinkUid: `uid-${init.table}` });
  const sink = await postgresDriver.open(configOf(init), env);
  opened.push(sink);
  await sink.resume?.(0, 1);
  return sink;
}

const numbersIn = async (table: string) =>
  (await sql`SELECT n::int FROM ${sql(table)} ORDER BY ctid`).map((row) => row.n);

test("records go to the tables that they name, all others to the sink's own, in one transaction", async () => {
  const routing = { template: "kind_{kind}", tables: ["kind_a", "kind_b"] };
  const sink = await open({ table: "rest", routing });
  const kinds = ["a", "b", "a", "c", null, 'b"; DROP TABLE rest; --', "b"];
  const records = kinds.map((kind, n) => ({ kind, n }));
  const request = requestOf(rowsOf(records));
  const outcome = await sink.write(request, attempt());
  expect(outcome).toMatchObject({ kind: "rows" });
  expect(await sink.write(request, attempt())).toEqual(outcome);
  expect(await numbersIn("kind_a")).toEqual([0, 2]);
  expect(await numbersIn("kind_b")).toEqual([1, 6]);
  expect(await numbersIn("rest")).toEqual([3, 4, 5]);
});

test("rows that one table refuses are named by their place in the request, the others are stored", async () => {
  const routing = { template: "{kind}", tables: ["strict", "lax"] };
  await sql`CREATE TABLE strict (kind text, n bigint CHECK (n < 4))`;
  const sink = await open({ table: "unnamed", routing });
  const records = Array.from({ length: 8 }, (_, n) =>
    n === 5 ? '{"kind":"lax","n":5e30}' : { kind: n % 2 ? "lax" : "strict", n },
  );
  const outcome = await sink.write(requestOf(rowsOf(records)), attempt());
  const kinds = outcome.kind === "rows" ? outcome.outcomes.map((row) => row.kind) : [];
  expect(kinds.flatMap((kind, i) => (kind === "reject" ? [i] : []))).toEqual([4, 5, 6]);
  expect(await numbersIn("strict")).toEqual([0, 2]);
  expect(await numbersIn("lax")).toEqual([1, 3, 7]);
});

test("with a primary key, which the routing field must be part of", async () => {
  const keyed = schemaOf([
    { name: "kind", type: T.STRING },
    { name: "n", type: T.LONG },
  ]);
  const config = {
    table: "up",
    mode: PostgresSink_Mode.UPSERT,
    primaryKey: ["kind", "n"],
    routing: { template: "up_{kind}", tables: ["up_a"] },
  };
  const sink = await open(config, keyed);
  const records = ["a", "b", "a"].map((kind) => ({ kind, n: 1 }));
  expect(await sink.write(requestOf(rowsOf(records)), attempt())).toMatchObject({ kind: "rows" });
  expect([await numbersIn("up_a"), await numbersIn("up")]).toEqual([[1], [1]]);
  const wrong = configOf({ ...config, primaryKey: ["n"] });
  expect(postgresDriver.check(wrong, { schema: keyed })).toMatchObject([
    { field: "routing.template", description: expect.stringContaining("primary key") },
  ]);
});

test.each([
  ["no braces", "events", ["e"], "routing.template"],
  ["an unknown field", "{nope}", ["e"], "routing.template"],
  ["a hostile name", "{kind}", ['e"; DROP TABLE x'], "routing.tables[0]"],
  ["the table of the rest", "{kind}", ["e", "rest"], "routing.tables[1]"],
])("%s is refused", (_, template, tables, field) => {
  const config = configOf({ table: "rest", routing: { template, tables } });
  expect(postgresDriver.check(config, { schema })).toMatchObject([{ field }]);
});
