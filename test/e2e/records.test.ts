import { RecordService } from "tributary/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createSink, createStream, listAll, push } from "../support/api.ts";
import { clientOf } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { faultsOf } from "../support/history.ts";
import { startLoad } from "../support/load.ts";
import { readMetrics } from "../support/metric-format.ts";
import { startReceiver } from "../support/receiver.ts";
import { openRig } from "../support/rig.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

const METRICS_TOKEN = "a-token-for-those-who-watch";
let server: TestServer;
let metricsPort: number;

beforeAll(async () => {
  metricsPort = await freePort();
  server = await startServer({
    env: { TRIBUTARY_METRICS_PORT: String(metricsPort), TRIBUTARY_METRICS_TOKEN: METRICS_TOKEN },
  });
});
afterAll(() => server?.close());

const fields = { key: "STRING", n: "LONG", site: "JSON" };
const recordOf = (n: number) => ({ key: `k${n % 3}`, n, site: { id: n % 2 ? "a" : "b" } });

test("ListRecords pages through everything once, and finds by sequence, time, key and filter", async () => {
  const stream = await createStream(server, "listed", { fields, keyFields: ["key"] });
  const first = Array.from({ length: 30 }, (_, n) => recordOf(n));
  for (let at = 0; at < 30; at += 10) await push(server, stream, first.slice(at, at + 10));
  const beforeSecond = await waitFor(() => new Date().toISOString());
  const between = await listAll(server, stream);
  expect(between.map((r) => r.value)).toEqual(first);

  const second = Array.from({ length: 10 }, (_, n) => recordOf(30 + n));
  await push(server, stream, second);
  const all = [...first, ...second];
  const values = async (request: Record<string, unknown>) =>
    (await listAll(server, stream, request)).map((r) => r.value);
  expect(await values({ pageSize: 7 })).toEqual(all);
  expect(await values({ fromTime: beforeSecond })).toEqual(second);
  const last = (await listAll(server, stream)).at(-1);
  expect(await values({ fromSequence: last?.sequence })).toEqual(second);
  expect(await values({ key: '{"key":"k1"}' })).toEqual(all.filter((r) => r.key === "k1"));
  const filter = 'site.id = "a" AND key = "k2"';
  expect(await values({ filter })).toEqual(all.filter((r) => r.site.id === "a" && r.key === "k2"));
  expect(new Set((await listAll(server, stream)).map((r) => r.id)).size).toBe(all.length);
});

test("ListRecords refuses a page token of another request", async () => {
  const stream = await createStream(server, "paged", { fields });
  await push(server, stream, [recordOf(1), recordOf(2)]);
  const method = "records.v1.RecordService/ListRecords";
  const page = await call<{ nextPageToken: string }>(server, method, { stream, pageSize: 1 });
  const request = { stream, pageSize: 1, filter: "n = 2", pageToken: page.nextPageToken };
  await expect(call(server, method, request)).rejects.toMatchObject({
    status: 400,
    reason: "PAGE_TOKEN_INVALID",
  });
});

test("F22: TailRecords sends a record within 1 s of its push", async () => {
  const stream = await createStream(server, "tailed", { fields, throughput: "HIGH" });
  const client = clientOf(RecordService, server, "gRPC over h2c");
  const abort = new AbortController();
  const seen: { n: number; atMs: number }[] = [];
  const tail = (async () => {
    for await (const message of client.tailRecords({ stream }, { signal: abort.signal })) {
      for (const record of message.records) {
        const { n } = JSON.parse(new TextDecoder().decode(record.json)) as { n: number };
        seen.push({ n, atMs: performance.now() });
      }
    }
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  // A tail shows what is pushed from when it began: push until the first record shows.
  let probe = -1;
  await waitFor(
    async () => {
      await push(server, stream, [recordOf(probe--)]);
      return seen.length > 0;
    },
    { everyMs: 100, what: "the tail to begin" },
  );
  for (let n = 0; n < 20; n++) {
    const pushedAt = performance.now();
    await push(server, stream, [recordOf(n)]);
    const record = await waitFor(() => seen.find((r) => r.n === n), { what: `record ${n}` });
    expect(record.atMs - pushedAt).toBeLessThan(1_000);
  }
  expect(seen.filter((r) => r.n >= 0).map((r) => r.n)).toEqual([...Array(20).keys()]);
  abort.abort();
  await tail;
});

test("B15: /metrics tells what the process does, on its own port and to who has the token", async () => {
  const ask = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${metricsPort}${path}`, init);
  const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
  const scrape = async () => {
    const answer = await ask("/metrics", { headers });
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    return readMetrics(await answer.text());
  };
  expect((await ask("/metrics")).status).toBe(401);
  const wrong = { authorization: `Bearer ${METRICS_TOKEN}x` };
  expect((await ask("/metrics", { headers: wrong })).status).toBe(401);
  expect((await ask("/", { headers })).status).toBe(404);
  expect((await ask("/metrics", { headers, method: "POST" })).status).toBe(405);
  expect((await server.get("/metrics")).status).toBe(404);

  const before = await scrape();
  const stream = await createStream(server, "measured", { fields });
  await createSink(server, stream, { id: "measured", postgres: { table: "measured_rows" } });
  await push(server, stream, [1, 2, 3].map(recordOf));
  const refused = await server.post(`/v1/${stream}/records`, [{ value: { n: "no number" } }]);
  expect(refused.status).toBe(400);
  const more = async (key: string) => ((await scrape()).get(key) ?? 0) - (before.get(key) ?? 0);
  expect(await more('tributary_push_calls_total{result="stored"}')).toBe(1);
  expect(await more("tributary_push_records_total")).toBe(3);
  expect(await more('tributary_push_refused_total{reason="RECORD_INVALID"}')).toBe(1);
  expect(await more('tributary_log_publish_duration_seconds_count{lane="usual"}')).toBe(1);
  const delivered = 'tributary_delivery_records_total{kind="postgres",state="delivered"}';
  await waitFor(async () => (await more(delivered)) === 3, { what: "the count of the sink" });
  // Sinks are looked at every 5 s.
  await waitFor(async () => ((await scrape()).get('tributary_sinks{state="running"}') ?? 0) >= 1, {
    what: "the sink that runs",
    everyMs: 200,
  });
  const after = await scrape();
  expect(after.get("tributary_log_connected")).toBe(1);
  expect(after.get("process_resident_memory_bytes")).toBeGreaterThan(10 << 20);
  expect(after.get('tributary_event_loop_delay_seconds{quantile="1"}')).toBeGreaterThanOrEqual(0);
  // What this installation's customers are called stays with it, and with it the number of lines.
  expect([...after.keys()].join()).not.toMatch(/measured|projects/);
  expect(after.size).toBeLessThan(200);
});

test("F02: branches keep separate records, and a sink delivers its own branch", async () => {
  const stream = await createStream(server, "branched", { fields });
  await call(server, "management.v1.StreamService/CreateBranch", {
    parent: stream,
    branchId: "trial",
    branch: {},
  });
  await createSink(server, stream, {
    id: "trial",
    branch: "trial",
    postgres: { table: "trial_rows" },
  });
  await push(server, stream, [recordOf(1)]);
  const answer = await server.post(`/v1/${stream}/records?branch=trial`, [{ value: recordOf(2) }]);
  expect(answer.status, await answer.clone().text()).toBe(200);
  const values = async (branch: string) =>
    (await listAll(server, stream, { branch })).map((r) => r.value.n);
  expect(await values("main")).toEqual([1]);
  expect(await values("trial")).toEqual([2]);

  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    await waitFor(async () => (await countRows(sql, "trial_rows").catch(() => 0)) > 0, {
      what: "the row of the branch",
    });
    expect(await sql`SELECT n::int FROM trial_rows`).toEqual([{ n: 2 }]);
  } finally {
    await sql.end();
  }
  const missing = await server.post(`/v1/${stream}/records?branch=nowhere`, [
    { value: recordOf(3) },
  ]);
  expect(missing.status).toBe(404);
});

test("D1: a record that is pushed the moment its sink was made is delivered without waiting for another", async () => {
  const receiver = await startReceiver();
  try {
    const stream = await createStream(server, "fresh", { fields });
    for (let n = 0; n < 20; n++) {
      await createSink(server, stream, { id: `hook${n}`, webhook: { url: receiver.url } });
      await push(server, stream, [recordOf(n)]);
      await waitFor(() => receiver.requests.some((r) => r.records.some((row) => row.n === n)), {
        timeoutMs: 5_000,
        what: `record ${n}`,
      });
      const name = `${stream}/sinks/hook${n}`;
      await call(server, "management.v1.SinkService/DeleteSink", { name });
    }
  } finally {
    await receiver.close();
  }
});

test.each([
  ["HIGH", 4],
  ["MAX", 16],
] as const)(
  "F06, F07: with throughput %s (%i partitions) each key keeps its order",
  async (throughput, partitions) => {
    const id = `order_${throughput.toLowerCase()}`;
    const rig = await openRigNamed(id, throughput);
    const load = startLoad({ target: server, stream: rig.stream, writers: 4, keys: 8 });
    await waitFor(() => load.history.count("ok") >= 1_500, {
      timeoutMs: 20_000,
      what: "1,500 records",
    });
    await load.stop();
    expect(load.surprises).toEqual([]);
    expect(faultsOf(await rig.settle(load))).toEqual({});
    const records = await listAll(server, rig.stream);
    const used = new Set(records.map((r) => r.partition ?? 0));
    expect(used.size).toBeGreaterThan(partitions / 2);
    expect(Math.max(...used)).toBeLessThan(partitions);
    const { stream } = await call<{ stream: { partitions: number } }>(
      server,
      "management.v1.StreamService/GetStream",
      { name: rig.stream },
    );
    expect(stream.partitions).toBe(partitions);
    await rig.close();
  },
);

test("F07: throughput that changes under load, twice, keeps each key's order and loses nothing", async () => {
  const rig = await openRigNamed("growing", "NORMAL");
  const load = startLoad({ target: server, stream: rig.stream, writers: 4, keys: 8 });
  for (const [throughput, least] of [
    ["HIGH", 400],
    ["MAX", 800],
    ["NORMAL", 1_200],
  ] as const) {
    await waitFor(() => load.history.count("ok") >= least, { what: `${least} records` });
    await call(server, "management.v1.StreamService/UpdateStream", {
      stream: { name: rig.stream, throughput },
      updateMask: "throughput",
    });
  }
  await waitFor(() => load.history.count("ok") >= 1_600, { what: "1,600 records" });
  await load.stop();
  expect(load.surprises).toEqual([]);
  const verdict = await rig.settle(load);
  expect(faultsOf(verdict)).toEqual({});
  expect(verdict.stored).toBe(verdict.acked);
  const generations = (await listAll(server, rig.stream)).map((r) => Number(r.generation));
  expect(new Set(generations).size).toBe(4);
  await rig.close();
});

function openRigNamed(id: string, throughput: "NORMAL" | "HIGH" | "MAX") {
  return openRig({
    target: server,
    id: id.replaceAll("_", ""),
    databaseUrl: server.env.SINK_DATABASE_URL ?? "",
    throughput,
  });
}
