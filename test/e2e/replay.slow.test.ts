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
import { createReplay, getReplay, whenReplayed } from "../support/moves.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
});
afterAll(async () => {
  await server?.close();
  await receiver?.close();
});

const fields = { key: "STRING", n: "LONG" };
const numbers = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${(from + i) % 7}`, n: from + i }));
const settled = (sink: string, delivered: number) =>
  waitFor(async () => (await countsOf(server, sink)).delivered === delivered, {
    timeoutMs: 30_000,
    everyMs: 100,
    what: `${delivered} records in ${sink}`,
  });
const recordIds = (from: number) =>
  receiver.requests
    .slice(from)
    .flatMap(({ headers }) => String(headers["tributary-record-ids"]).split(","));

test("B04: records of a range, by ids and by a filter come again, marked, with their ids, beside the sink's counts", async () => {
  const stream = await createStream(server, "again", { fields, keyFields: ["key"] });
  const sink = await createSink(server, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    batching: { count: 10 },
  });
  await push(server, stream, numbers(0, 50));
  await settled(sink.name, 50);
  const stored = await listAll(server, stream);
  const before = receiver.requests.length;
  expect(receiver.requests.some((r) => r.headers["tributary-replay"])).toBe(false);

  const preview = await createReplay(server, sink.name, { validateOnly: true });
  expect(preview).toMatchObject({ selected: "50", selectedExact: true });
  expect(preview.name ?? "").toBe("");
  expect(receiver.requests).toHaveLength(before);

  const made = await createReplay(server, sink.name, { requestId: "one" });
  const again = await createReplay(server, sink.name, { requestId: "one" });
  expect(again.name).toBe(made.name);
  const done = await whenReplayed(server, made);
  expect(done).toMatchObject({ state: "SUCCEEDED", selected: "50", delivered: "50" });
  expect(recordIds(before).toSorted()).toEqual(stored.map(({ id }) => id).toSorted());
  const replayed = receiver.requests.slice(before);
  expect(replayed.every((r) => r.headers["tributary-replay"] === "1")).toBe(true);
  expect(replayed.every((r) => r.records.length <= 10)).toBe(true);
  expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 50, pushed: 50 });

  const at = receiver.requests.length;
  const chosen = [stored[3]!.id, stored[40]!.id];
  const few = await createReplay(server, sink.name, { selection: { ids: { recordIds: chosen } } });
  expect(await whenReplayed(server, few)).toMatchObject({ selected: "2", delivered: "2" });
  expect(recordIds(at).toSorted()).toEqual(chosen.toSorted());

  const filter = { fields: { terms: [{ field: "key", value: "k3" }] } };
  const some = await createReplay(server, sink.name, {
    selection: { times: { start: new Date(Date.now() - 600_000).toISOString() }, filter },
  });
  const wanted = numbers(0, 50).filter(({ key }) => key === "k3").length;
  expect(await whenReplayed(server, some)).toMatchObject({ delivered: String(wanted) });
  const list = await call<{ replays: unknown[] }>(
    server,
    "management.v1.ReplayService/ListReplays",
    { parent: sink.name },
  );
  expect(list.replays).toHaveLength(3);
}, 120_000);

test("B04: what cannot be replayed is refused with the reason", async () => {
  const stream = await createStream(server, "refused", { fields });
  const sink = await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
  const refusal = async (selection: unknown) => {
    const error = await createReplay(server, sink.name, { selection }).catch((e: unknown) => e);
    return error instanceof ApiError ? `${error.reason}: ${error.text}` : "none";
  };
  expect(await refusal({ ids: { recordIds: ["no-id"] } })).toMatch(
    /INVALID_FIELDS.*record_ids\[0\]/,
  );
  expect(await refusal({ sequences: { first: "9", last: "3" } })).toMatch(/sequences.last/);
  expect(await refusal({ sequences: {}, filter: { cel: "record.n ==" } })).toMatch(/filter/);
  expect(await refusal({})).toMatch(/exactly one|required|oneof/);
}, 120_000);

test("B04: a replay waits while its sink is paused, says so, and can be cancelled", async () => {
  const stream = await createStream(server, "waiting", { fields });
  const sink = await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
  await push(server, stream, numbers(0, 5));
  await settled(sink.name, 5);
  await call(server, "management.v1.SinkService/PauseSink", { name: sink.name });
  const made = await createReplay(server, sink.name, {});
  await waitFor(async () => /paused/.test((await getReplay(server, made.name)).waiting ?? ""), {
    what: "the replay to say why it waits",
  });
  await call(server, "management.v1.TaskService/CancelTask", { name: made.task });
  expect(await whenReplayed(server, made)).toMatchObject({ state: "CANCELLED" });
}, 120_000);

test("B04: in Postgres a replay restores what is missing, once, where the table has a key", async () => {
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    await sql`CREATE TABLE restored (key text, n bigint PRIMARY KEY)`;
    const stream = await createStream(server, "restored", { fields });
    const sink = await createSink(server, stream, { id: "t", postgres: { table: "restored" } });
    await push(server, stream, numbers(0, 1000));
    await settled(sink.name, 1000);
    await sql`DELETE FROM restored WHERE n % 3 = 0`;
    const made = await createReplay(server, sink.name, {});
    expect(await whenReplayed(server, made)).toMatchObject({ delivered: "1000" });
    const [row] =
      await sql`SELECT count(*)::int AS count, count(DISTINCT n)::int AS n FROM restored`;
    expect(row).toMatchObject({ count: 1000, n: 1000 });
    expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 1000, held: 0 });
    await sql`DELETE FROM restored WHERE n IN (3, 4)`;
    await sql`ALTER TABLE restored ADD CONSTRAINT strict CHECK (n <> 3) NOT VALID`;
    const strict = await createReplay(server, sink.name, {});
    expect(await whenReplayed(server, strict)).toMatchObject({ delivered: "999", refused: "1" });
    // What was refused is held, and names the replay.
    expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 999, held: 1 });
    const service = "management.v1.SinkService";
    const { heldRecords } = await call<{ heldRecords: unknown[] }>(
      server,
      `${service}/ListHeldRecords`,
      { parent: sink.name },
    );
    expect(heldRecords).toMatchObject([{ storedReplay: strict.name, value: { n: 3 } }]);
    await sql`ALTER TABLE restored DROP CONSTRAINT strict`;
    await call(server, `${service}/ReplayHeldRecords`, { name: sink.name });
    expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 1000, held: 0 });
    const [again] = await sql`SELECT count(*)::int AS count FROM restored WHERE n IN (3, 4)`;
    expect(again).toMatchObject({ count: 2 });
  } finally {
    await sql.end();
  }
}, 120_000);

test("B04: a replay into an empty Postgres table goes on after kill -9, each record once, beside live traffic", async () => {
  const port = Number(new URL(server.url).port);
  const stream = await createStream(server, "killed", { fields, keyFields: ["key"] });
  const sink = await createSink(server, stream, {
    id: "t",
    postgres: { table: "killed" },
    batching: { count: 100 },
  });
  const total = 20_000;
  for (let n = 0; n < total; n += 2_000) await push(server, stream, numbers(n, 2_000));
  await settled(sink.name, total);
  let sql = connect(server.env.SINK_DATABASE_URL ?? "");
  await sql`TRUNCATE killed`;
  const count = async () => {
    const [row] = await sql`SELECT count(*)::int AS count FROM killed`;
    return Number(row?.count);
  };
  const made = await createReplay(server, sink.name, {});
  await waitFor(async () => (await count()) > 500, {
    everyMs: 5,
    what: "the replay to be under way",
  });
  await server.stop("SIGKILL");
  await sql.end({ timeout: 1 });
  server = await startServer({ dataDir: server.dataDir, port });
  sql = connect(server.env.SINK_DATABASE_URL ?? "");
  await push(server, stream, numbers(total, 100));
  const done = await whenReplayed(server, made, 60_000);
  expect(done).toMatchObject({ state: "SUCCEEDED", delivered: String(total) });
  await settled(sink.name, total + 100);
  const [row] = await sql`SELECT count(*)::int AS count, count(DISTINCT n)::int AS n FROM killed`;
  expect(row).toMatchObject({ count: total + 100, n: total + 100 });
  await sql.end();
}, 120_000);
