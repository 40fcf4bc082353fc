import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import type { OpenSink, SinkRequest } from "../../../src/sinks/sink.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { waitFor } from "../../support/wait-for.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

let url: string;
let sql: postgres.Sql;
const opened: OpenSink[] = [];
const schema = schemaOf([
  { name: "id", type: T.LONG },
  { name: "text", type: T.STRING },
]);

beforeAll(async () => {
  url = await createTestDatabase();
  sql = postgres(url, { max: 2, onnotice: () => undefined });
});

afterAll(async () => {
  await Promise.all(opened.map((sink) => sink.close()));
  await sql.end();
});

async function open(table: string, egressAllowList: readonly string[] = []) {
  const config = create(PostgresSinkSchema, { databaseUrl: url, table });
  const env = environment({ schema, sinkUid: `uid-${table}`, egressAllowList });
  const sink = await postgresDriver.open(config, env);
  opened.push(sink);
  await sink.resume?.(0, 1);
  return sink;
}

const row = (id: number, text = "a") => ({ id, text });
const idsOf = async (table: string) =>
  (await sql<{ id: number }[]>`SELECT id::int FROM ${sql(table)} ORDER BY ctid`).map(
    ({ id }) => id,
  );

/** Requests of the rows given, each after the one before. */
function chainOf(...rows: readonly (readonly object[])[]): SinkRequest[] {
  let after: string | undefined;
  return rows.map((some, i) => {
    const request = requestOf(rowsOf(some, i + 1), after === undefined ? {} : { after });
    after = request.id;
    return request;
  });
}

/** A request as it is sent when nothing is under way before it. */
function alone({ after: _, ...request }: SinkRequest): SinkRequest {
  return request;
}

/** Lets nobody write to a table until it is released. */
async function lockTable(table: string) {
  const locked = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const holding = sql.begin(async (tx) => {
    await tx`LOCK TABLE ${tx(table)} IN EXCLUSIVE MODE`;
    locked.resolve();
    await promise;
  });
  await locked.promise;
  const release = () => {
    resolve();
    return holding;
  };
  const isWaitedFor = async () => {
    const [found] = await sql`SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted
      AND relation = ${table}::regclass`;
    return found?.n > 0;
  };
  return { release, isWaitedFor };
}

const delivered = { kind: "rows", outcomes: [{ kind: "delivered" }] };
const behind = { kind: "behind" };

test("a request is sent behind the one before, over the same connection, and both are stored in order", async () => {
  const sink = await open("both");
  const [first, second, third] = chainOf([row(1)], [row(2)], [row(3)]);
  const lock = await lockTable("both");
  const writes = [sink.write(first!, attempt()), sink.write(second!, attempt())];
  await waitFor(lock.isWaitedFor);
  const connections = await sql`SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tributary'`;
  expect(connections.length).toBe(1);
  await lock.release();
  expect(await Promise.all(writes)).toEqual([delivered, delivered]);
  expect(await sink.write(alone(third!), attempt())).toEqual(delivered);
  expect(await idsOf("both")).toEqual([1, 2, 3]);
});

test("D1, D2: nothing is stored behind a request with a bad row, until that is settled", async () => {
  const sink = await open("bad_first");
  const [first, second] = chainOf([row(1), row(2, "a\u0000b")], [row(3)]);
  const outcomes = await Promise.all([
    sink.write(first!, attempt()),
    sink.write(second!, attempt()),
  ]);
  expect(outcomes).toMatchObject([
    { outcomes: [{ kind: "delivered" }, { kind: "reject" }] },
    behind,
  ]);
  expect(await idsOf("bad_first")).toEqual([1]);
  const kept = await sink.resume?.(0, 1);
  expect(kept?.rejects).toMatchObject([{ place: { sequence: 1, index: 1 } }]);
  expect(await sink.write(alone(second!), attempt())).toEqual(delivered);
  expect(await idsOf("bad_first")).toEqual([1, 3]);
});

test("D2: nothing is stored behind a request that Postgres refuses as it stands", async () => {
  const sink = await open("refused_first");
  await sql`ALTER TABLE refused_first ADD CHECK (id <> 2)`;
  const [first, second] = chainOf([row(1), row(2)], [row(3)]);
  const outcomes = await Promise.all([
    sink.write(first!, attempt()),
    sink.write(second!, attempt()),
  ]);
  expect(outcomes).toMatchObject([
    { outcomes: [{ kind: "delivered" }, { kind: "reject" }] },
    behind,
  ]);
  expect(await sink.write(alone(second!), attempt())).toEqual(delivered);
  expect(await idsOf("refused_first")).toEqual([1, 3]);
});

test("a bad row of the second is found as ever", async () => {
  const sink = await open("bad_second");
  await sql`ALTER TABLE bad_second ADD CHECK (id <> 2)`;
  const [first, second] = chainOf([row(1)], [row(2), row(3)]);
  const outcomes = await Promise.all([
    sink.write(first!, attempt()),
    sink.write(second!, attempt()),
  ]);
  expect(outcomes).toMatchObject([
    delivered,
    { outcomes: [{ kind: "reject" }, { kind: "delivered" }] },
  ]);
  expect(await idsOf("bad_second")).toEqual([1, 3]);
});

test("neither of two gets through once another owner is there", async () => {
  const sink = await open("taken");
  await sql`UPDATE tributary.sink_cursors SET epoch = 2 WHERE sink_uid = 'uid-taken'`;
  const [first, second] = chainOf([row(1)], [row(2)]);
  const outcomes = await Promise.all([
    sink.write(first!, attempt()),
    sink.write(second!, attempt()),
  ]);
  expect(outcomes).toEqual([{ kind: "fenced" }, behind]);
  expect(await idsOf("taken")).toEqual([]);
});

test("N04: a first request whose commit was not heard of is recognised by the one behind it", async () => {
  const sink = await open("unheard");
  const [first, second] = chainOf([row(1)], [row(2)]);
  const lock = await lockTable("unheard");
  const controller = new AbortController();
  const writes = [first!, second!].map((each) => sink.write(each, controller.signal));
  await waitFor(lock.isWaitedFor);
  controller.abort();
  expect(await Promise.all(writes)).toMatchObject([{ kind: "retry", reason: "TIMEOUT" }, behind]);
  await lock.release();
  // Sinks under different rules of egress share nothing, as if they were of two processes.
  const twin = await open("unheard", ["10.1.0.0/16"]);
  for (const each of [first!, second!])
    expect(await twin.write(each, attempt())).toEqual(delivered);
  expect(await sink.write(first!, attempt())).toEqual(delivered);
  expect(await sink.write(alone(second!), attempt())).toEqual(delivered);
  expect(await idsOf("unheard")).toEqual([1, 2]);
});

test("N04: connections that end at any time lose nothing and double nothing", async () => {
  const sink = await open("ended");
  let isOver = false;
  const ending = (async () => {
    while (!isOver) {
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'tributary'`;
      await new Promise((resolve) => setTimeout(resolve, 7));
    }
  })();
  const rows = (request: number) =>
    Array.from({ length: 300 }, (_, i) => row(request * 300 + i, "x".repeat(40)));
  const pairs = 6;
  for (let pair = 0; pair < pairs; pair += 1) {
    const [first, second] = [2 * pair, 2 * pair + 1].map((n) => requestOf(rowsOf(rows(n), n + 1)));
    let [isFirst, isSecond] = [false, false];
    await waitFor(async () => {
      const open = isFirst ? [second!] : [first!, { ...second!, after: first!.id }];
      const outcomes = await Promise.all(open.map((each) => sink.write(each, attempt())));
      expect(outcomes.map(({ kind }) => kind)).not.toContain("fenced");
      isSecond = outcomes.at(-1)!.kind === "rows";
      isFirst ||= outcomes[0]!.kind === "rows";
      return isFirst && isSecond;
    });
  }
  isOver = true;
  await ending;
  const ids = await idsOf("ended");
  expect(ids).toEqual(Array.from({ length: pairs * 600 }, (_, id) => id));
}, 30_000);
