import { createServer } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { PostgresSink_Mode, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([
  { name: "id", type: T.LONG },
  { name: "note", type: T.STRING, nullable: true },
]);
let url: string;

beforeAll(async () => {
  url = await createTestDatabase();
});

const configOf = (init: MessageInitShape<typeof PostgresSinkSchema>) =>
  create(PostgresSinkSchema, { databaseUrl: url, table: "t", ...init });

const testIt = (
  init: MessageInitShape<typeof PostgresSinkSchema>,
  { prepare = false, ...env }: { prepare?: boolean; isLoopbackAllowed?: boolean } = {},
) =>
  postgresDriver.test(configOf(init), environment({ schema, ...env }), {
    prepare,
    signal: attempt(3000),
  });

describe("check", () => {
  test("33, K04: names every fault of identifiers and key, and never the password", () => {
    const config = configOf({
      databaseUrl: "mysql://user:hunter2@h/db",
      schema: "Public",
      table: 't"; DROP TABLE x',
      primaryKey: ["nope", "note"],
      metadataColumns: { recordId: "id", arrivalTime: "no-dash" },
    });
    const wide = schemaOf([...schema.fields, { name: "x".repeat(64), type: T.STRING }]);
    const violations = postgresDriver.check(config, { schema: wide });
    expect(violations.map((violation) => violation.field)).toEqual([
      "database_url",
      "schema",
      "table",
      "table",
      "metadata_columns.record_id",
      "metadata_columns.arrival_time",
      "primary_key[0]",
      "primary_key[1]",
    ]);
    expect(JSON.stringify(violations)).not.toContain("hunter2");
    const upsert = configOf({ mode: PostgresSink_Mode.UPSERT });
    expect(postgresDriver.check(upsert, { schema })).toMatchObject([{ field: "primary_key" }]);
    expect(postgresDriver.check(configOf({}), { schema })).toEqual([]);
  });

  test.each([
    "postgres://h/db",
    "postgres://u:p@/db",
    "postgres://u:p@h",
    "postgres://u:p@h/a/b",
    "postgres://u:p@h/db?options=-c%20x",
    "postgres://u:p%zz@h/db",
    "postgres://u:p@h:99999/db",
    "postgres://u:p@h/db?sslmode=nonsense",
    "http://u:p@h/db",
  ])("refuses the URL %s", (databaseUrl) => {
    const violations = postgresDriver.check(configOf({ databaseUrl }), { schema });
    expect(violations).toMatchObject([{ field: "database_url" }]);
  });
});

test("the password stays with its server and user", () => {
  const saved = configOf({ databaseUrl: "postgres://u:hunter%2F2@a:5432/db?sslmode=require" });
  const masked = postgresDriver.mask(saved);
  expect(masked.databaseUrl).toBe("postgres://u@a:5432/db?sslmode=require");
  expect(postgresDriver.keepSecrets(masked, saved)).toEqual(saved);
  for (const databaseUrl of [
    "postgres://u@b:5432/db",
    "postgres://v@a:5432/db",
    "postgres://u@a:1/db",
  ]) {
    const other = configOf({ databaseUrl });
    expect(postgresDriver.keepSecrets(other, saved)).toEqual(other);
  }
});

describe("test", () => {
  const stages = async (results: ReturnType<typeof testIt>) =>
    (await results).map((result) => `${result.name} ${result.isOk ? "ok" : result.message}`);

  test("passes every stage, makes the table only when asked, and stores nothing", async () => {
    const all = ["resolve ok", "connect ok", "authenticate ok", "describe ok", "write ok"];
    expect(await stages(testIt({ table: "probe" }))).toEqual(all);
    expect((await testIt({ table: "probe" }))[3]?.message).toMatch(/is missing and will be made/);
    const reader = postgres(url, { max: 1 });
    expect(await reader`SELECT to_regclass('probe') AS name`).toEqual([{ name: null }]);
    await reader.end();
    expect(await stages(testIt({ table: "probe" }, { prepare: true }))).toEqual(all);
    expect(await stages(testIt({ table: "probe" }))).toEqual(all);
    const sql = postgres(url, { max: 1 });
    expect(await sql`SELECT FROM probe`).toHaveLength(0);
    await sql.end();
  });

  test("K20: a user that may not make the table is told so, and holds no lock afterwards", async () => {
    const sql = postgres(url, { max: 1 });
    await sql.unsafe("CREATE ROLE guest LOGIN PASSWORD 'guest'");
    const guest = new URL(url);
    guest.username = "guest";
    guest.password = "guest";
    const found = await stages(testIt({ databaseUrl: guest.href, table: "forbidden" }));
    expect(found.at(-1)).toMatch(/^describe PERMISSION_DENIED/);
    const locks = await sql`SELECT FROM pg_locks WHERE locktype = 'advisory'`;
    expect(locks).toHaveLength(0);
    await sql.end();
  });

  test("names the stage that failed, without secrets", async () => {
    const wrong = new URL(url);
    wrong.password = "hunter2";
    const denied = await stages(testIt({ databaseUrl: wrong.href }));
    expect(denied).toEqual([
      "resolve ok",
      "connect ok",
      expect.stringMatching(/AUTHENTICATION_FAILED/),
    ]);
    expect(JSON.stringify(denied)).not.toContain("hunter2");
    wrong.port = "1";
    expect(await stages(testIt({ databaseUrl: wrong.href }))).toEqual([
      "resolve ok",
      "connect CONNECTION_FAILED: the connection to Postgres failed: ECONNREFUSED",
    ]);
    expect(await stages(testIt({}, { isLoopbackAllowed: false }))).toEqual([
      expect.stringMatching(/^resolve ADDRESS_REFUSED/),
    ]);
  });

  test("a user without rights learns what is missing", async () => {
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    await sql`CREATE TABLE closed (id bigint NOT NULL, note text)`;
    await sql.unsafe("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN PASSWORD 'weak'");
    const weak = new URL(url);
    [weak.username, weak.password] = ["weak", "weak"];
    const results = await stages(testIt({ databaseUrl: weak.href, table: "closed" }));
    expect(results.at(-1)).toMatch(/^describe PERMISSION_DENIED: .*42501/);
    await sql.end();
  });

  test("a server that accepts and closes, or says nothing, ends within the time", async () => {
    let connections = 0;
    for (const isSilent of [false, true]) {
      const server = createServer((socket) => {
        connections += 1;
        socket.on("error", () => undefined);
        if (!isSilent) socket.end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const port = (server.address() as { port: number }).port;
      const databaseUrl = `postgres://u:p@127.0.0.1:${port}/db`;
      const start = performance.now();
      const results = await testIt({ databaseUrl });
      expect(results.at(-1)).toMatchObject({ name: "connect", isOk: false });
      expect(performance.now() - start).toBeLessThan(4500);
      server.close();
    }
    expect(connections).toBeLessThan(8);
  });
});

test("connections are shared by the sinks of one target and bounded", async () => {
  const sinks = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const env = environment({ schema, sinkUid: `bounded-${i}` });
      const sink = await postgresDriver.open(configOf({ table: "bounded" }), env);
      await sink.resume?.(0, 1);
      return sink;
    }),
  );
  const outcomes = await Promise.all(
    sinks.map((sink, i) => sink.write(requestOf(rowsOf([{ id: i }])), attempt())),
  );
  expect(outcomes.every((outcome) => outcome.kind === "rows")).toBe(true);
  const sql = postgres(url, { max: 1 });
  const [row] = await sql`SELECT count(*)::int AS n FROM pg_stat_activity
    WHERE application_name = 'tributary' AND datname = current_database()`;
  expect(row?.n).toBeLessThanOrEqual(4);
  expect(await sql`SELECT FROM bounded`).toHaveLength(12);
  await Promise.all(sinks.map((sink) => sink.close()));
  await sinks[0]?.close();
  await sql.end();
});

test("a connection that Postgres ends is replaced within the attempt", async () => {
  const sink = await postgresDriver.open(configOf({ table: "cut" }), environment({ schema }));
  await sink.resume?.(0, 1);
  const sql = postgres(url, { max: 1 });
  const kill = () => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'tributary' AND datname = current_database()`;
  for (let i = 1; i <= 3; i += 1) {
    await kill();
    const request = requestOf(rowsOf([{ id: i }], i));
    const outcome = await sink.write(request, attempt());
    expect(outcome).toMatchObject({ kind: "rows" });
  }
  expect(await sql`SELECT FROM cut`).toHaveLength(3);
  await sink.close();
  await sql.end();
});
