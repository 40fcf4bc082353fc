import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, getSink, push } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { checkHistory, faultsOf } from "../support/history.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../support/load.ts";
import { startTestPostgres } from "../support/postgres.ts";
import { type Receiver, type ReceiverMode, startReceiver } from "../support/receiver.ts";
import { acceptedRows, openRig, type Rig } from "../support/rig.ts";
import { type TestServer, waitFor } from "../support/server.ts";

let cluster: Cluster;
let server: TestServer;
let receiver: Receiver;
let rig: Rig;
let load: Load | undefined;
let round = 0;

beforeAll(async () => {
  cluster = await startCluster();
  server = await cluster.startNode();
});
afterAll(() => cluster?.close());
beforeEach(async () => {
  receiver = await startReceiver();
  round += 1;
  rig = await openRig({
    target: server,
    id: `round${round}`,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    receiver,
  });
});
afterEach(async () => {
  await load?.stop(0);
  load = undefined;
  for (const sink of [rig.postgresSink, rig.webhookSink]) {
    await call(server, "management.v1.SinkService/DeleteSink", { name: sink?.name });
  }
  await rig.close();
  await receiver.close();
});

const hookName = () => rig.webhookSink?.name ?? "";

/** Milliseconds until a record that is pushed now is in the healthy sink's table. */
async function tableLag(): Promise<number> {
  const marker = { key: "lag", writer: -1, n: Math.floor(performance.now() * 1000) };
  const pushedAt = performance.now();
  await push(server, rig.stream, [marker]);
  await waitFor(async () => (await rig.rows()).some((r) => r.n === marker.n), {
    timeoutMs: 5_000,
    what: "the marker in the healthy sink",
  });
  return performance.now() - pushedAt;
}

const BAD_MODES: [string, ReceiverMode, RegExp][] = [
  ["answers 500", { kind: "status", status: 500 }, /500/],
  ["hangs", { kind: "hang" }, /time|answer/i],
  ["redirects", { kind: "status", status: 302, location: "http://127.0.0.1:9/" }, /302|redirect/i],
  ["cuts the connection", { kind: "reset", at: "head" }, /connection|reset|closed|hang up/i],
  ["drips the head of its answer", { kind: "drip", at: "head" }, /time|answer/i],
  ["answers 429 with Retry-After", { kind: "status", status: 429, retryAfter: 1 }, /429/],
  ["answers 503", { kind: "status", status: 503, retryAfter: 1 }, /503/],
];

test.each(BAD_MODES)(
  "D4, B01: a webhook that %s says so in its state, slows no other sink, and gets everything in order after recovery",
  async (_, mode, cause) => {
    receiver.mode = mode;
    load = startLoad({ target: server, stream: rig.stream, writers: 2, pauseMs: 20 });
    const { status } = await waitFor(
      async () => {
        const sink = await getSink(server, hookName());
        return sink.status?.cause ? sink : undefined;
      },
      { timeoutMs: 15_000, what: "the sink to say what is wrong" },
    );
    expect(status?.cause).toMatch(cause);
    expect(await tableLag()).toBeLessThan(1_500);
    receiver.mode = { kind: "ok" };
    await load.stop();
    await waitFor(
      () => checkHistory(load?.history as never, acceptedRows(receiver)).lost.length === 0,
      { timeoutMs: 20_000, everyMs: 100, what: "everything at the webhook after recovery" },
    );
    const rows = acceptedRows(receiver).filter((r) => r.key !== "lag");
    expect(faultsOf(checkHistory(load.history, rows), { dup: true })).toEqual({});
    expect(receiver.faults).toEqual([]);
    await waitFor(async () => (await getSink(server, hookName())).status?.state === "RUNNING", {
      what: "the sink to run again",
    });
  },
);

test.each([
  ["cuts", { kind: "reset", at: "body" }],
  ["drips", { kind: "drip", at: "body" }],
] as const)("a webhook that %s the body of its 200 has taken the records", async (_, mode) => {
  receiver.mode = mode;
  const records = Array.from({ length: 50 }, (_, n) => ({ key: "a", writer: 0, n }));
  for (const record of records) await push(server, rig.stream, [record]);
  await waitFor(() => receiver.accepted().length >= 50, { what: "the records" });
  expect(receiver.accepted()).toEqual(records);
});

test("B02: every attempt of a request has the same webhook-id and body, and the signature verifies", async () => {
  receiver.mode = { kind: "status", status: 500 };
  await push(server, rig.stream, [{ key: "a", writer: 0, n: 0 }]);
  await waitFor(() => receiver.requests.length >= 3, { what: "three attempts" });
  receiver.mode = { kind: "ok" };
  await waitFor(() => receiver.accepted().length > 0, { what: "the delivery" });
  expect(new Set(receiver.requests.map((r) => `${r.id} ${r.text}`)).size).toBe(1);
  expect(receiver.requests[0]?.id).not.toBe("");
  expect(receiver.faults).toEqual([]);
});

test("B01: 410 stops the webhook until its owner resumes it, and it goes on from there", async () => {
  receiver.mode = { kind: "status", status: 410 };
  await push(server, rig.stream, [{ key: "a", writer: 0, n: 0 }]);
  const stopped = await waitFor(
    async () => {
      const { status } = await getSink(server, hookName());
      return status?.cause ? status : undefined;
    },
    { what: "the sink to say that it was told to stop" },
  );
  expect(stopped.cause).toContain("410");
  expect(["PAUSED", "ERROR"]).toContain(stopped.state);
  await push(server, rig.stream, [{ key: "a", writer: 0, n: 1 }]);
  await sleep(1_500);
  expect(receiver.requests).toHaveLength(1);
  receiver.mode = { kind: "ok" };
  await call(server, "management.v1.SinkService/ResumeSink", { name: hookName() });
  await waitFor(() => receiver.accepted().length === 2, { what: "both records" });
  expect(receiver.accepted().map((r) => r.n)).toEqual([0, 1]);
});

test("D3, N07: records that the webhook refuses with 422 are held, the others delivered, replayed and discarded ones counted", async () => {
  const isBad = (record: Record<string, unknown>) => Number(record.n) % 10 === 3;
  receiver.mode = { kind: "refuse", isBad };
  const records = Array.from({ length: 40 }, (_, n) => ({ key: `k${n % 4}`, writer: 0, n }));
  await push(server, rig.stream, records);
  const held = async () => {
    const answer = await call<{ heldRecords?: { place: string; value: { n: number } }[] }>(
      server,
      "management.v1.SinkService/ListHeldRecords",
      { parent: hookName() },
    );
    return answer.heldRecords ?? [];
  };
  await waitFor(async () => (await held()).length === 4, { what: "four held records" });
  await waitFor(() => receiver.accepted().length === 36, {
    what: () => `36 delivered records: ${receiver.accepted().length}`,
  });
  expect((await held()).map((r) => r.value.n).sort((a, b) => a - b)).toEqual([3, 13, 23, 33]);
  receiver.mode = { kind: "ok" };
  const [first, second] = await held();
  await call(server, "management.v1.SinkService/ReplayHeldRecords", {
    name: hookName(),
    places: [first?.place],
  });
  await call(server, "management.v1.SinkService/DiscardHeldRecords", {
    name: hookName(),
    places: [second?.place],
  });
  await waitFor(async () => (await countsOf(server, hookName())).delivered === 37, {
    what: "the replayed record to be counted",
  });
  expect(await countsOf(server, hookName())).toMatchObject({
    delivered: 37,
    held: 2,
    discarded: 1,
    pending: 0,
    pushed: 40,
  });
});

test("the sink's database killed with -9 and back: its sink says so, the webhook goes on, the table has everything once", async () => {
  const database = await startTestPostgres({ durable: true });
  try {
    const own = await openRig({
      target: server,
      id: `own${round}`,
      databaseUrl: await database.createDatabase(),
      isEmbedded: false,
      receiver,
    });
    load = startLoad({ target: server, stream: own.stream, writers: 4, pauseMs: 20 });
    await waitFor(moreAcked(load, 100), { what: "the load to run" });
    await database.kill("SIGKILL");
    const { status } = await waitFor(
      async () => {
        const sink = await getSink(server, own.postgresSink.name);
        return sink.status?.cause ? sink : undefined;
      },
      { what: "the sink to say that its database is away" },
    );
    expect(status?.reason).not.toBe("");
    const before = receiver.accepted().length;
    await waitFor(() => receiver.accepted().length > before + 50, {
      timeoutMs: 5_000,
      what: "the webhook to go on",
    });
    await database.restart();
    const backAt = performance.now();
    await waitFor(
      async () => (await getSink(server, own.postgresSink.name)).status?.state === "RUNNING",
      { what: "the sink to run again" },
    );
    report("sink database back", { recoveryMs: performance.now() - backAt });
    await load.stop();
    expect(faultsOf(await own.settle(load))).toEqual({});
    await own.close();
  } finally {
    await database.close();
  }
});

test("K20: a sink whose table does not fit is refused with every column named", async () => {
  await rig.sql`CREATE TABLE misfit (key bigint, writer text)`;
  const stream = await createStream(server, `misfit${round}`, { fields: LOAD_FIELDS });
  const made = await createSink(server, stream, {
    id: "table",
    postgres: { table: "misfit", databaseUrl: cluster.sinkDatabaseUrl },
  }).catch((error: Error) => error);
  const text =
    made instanceof Error
      ? made.message
      : await waitFor(async () => (await getSink(server, made.name)).status?.cause, {
          what: "the sink to say what does not fit",
        });
  for (const column of ["key", "writer", "n"]) expect(text).toContain(column);
});

test("G14, G15, G16: requests are JSON arrays of at most 100, with Basic authentication from the address and custom headers, neither ever returned", async () => {
  const stream = await createStream(server, `posted${round}`, {
    fields: LOAD_FIELDS,
    keyFields: ["key"],
  });
  const url = receiver.url.replace("http://", "http://someone:s3cr3t-pass@");
  const sink = await createSink(server, stream, {
    id: "posted",
    webhook: { url, headers: { "x-own": "hidden-value" } },
  });
  receiver.secret = sink.webhook?.signingSecret;
  const records = Array.from({ length: 250 }, (_, n) => ({ key: "a", writer: 0, n }));
  await push(server, stream, records);
  await waitFor(() => receiver.accepted().length === 250, { what: "250 records" });
  expect(receiver.accepted()).toEqual(records);
  expect(receiver.requests.length).toBeGreaterThanOrEqual(3);
  for (const request of receiver.requests) {
    expect(request.records.length).toBeLessThanOrEqual(100);
    expect(request.headers["content-type"]).toMatch(/^application\/json/);
    expect(request.headers["x-own"]).toBe("hidden-value");
    const basic = Buffer.from("someone:s3cr3t-pass").toString("base64");
    expect(request.headers.authorization).toBe(`Basic ${basic}`);
    expect(request.path).toBe(new URL(receiver.url).pathname);
  }
  expect(receiver.faults).toEqual([]);
  const got = await (await server.get(`/v1/${sink.name}`)).text();
  for (const secret of ["s3cr3t-pass", "hidden-value", receiver.secret ?? "none"]) {
    expect(got).not.toContain(secret);
    expect(server.output()).not.toContain(secret);
  }
});
