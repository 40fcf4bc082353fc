/** What an installation of 10,000 streams and 1,000 sinks costs while nothing happens, and at a small load. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { residentBytes as residentBytesOf } from "../../bench/processes.ts";
import { familySeconds, processorSeconds, residentBytes } from "../support/process-usage.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { embeddedPid, startServer, type TestServer, waitFor } from "../support/server.ts";

const STREAMS = 10_000;
const SINKS = 1_000;
const LANES = 16;
/** Records a second of the small load, each to another stream; one in ten has a sink. */
const RATE = 167;
const LOAD_SECONDS = 30;
/** Load before it, in which V8 learns what is hot: a load of this kind lasts for days. */
const WARM_UP_SECONDS = 15;

let server: TestServer;
let receiver: Receiver;

const say = (text: string) => process.stderr.write(`scale: ${text}\n`);
const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
const streamId = (n: number) => `scale-${n}`;

/** Runs `work` for 0 to count − 1, some at once. */
async function forEach(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

async function make(path: string, body: unknown): Promise<void> {
  const answer = await server.post(path, body);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
}

async function pushTo(n: number): Promise<void> {
  await make(`/v1/projects/demo/streams/${streamId(n)}/records`, [{ value: { id: `r${n}` } }]);
}

beforeAll(async () => {
  receiver = await startReceiver();
  server = await startServer();
  say(`empty node ${megabytes(residentBytes(server.child.pid ?? 0))} MiB`);
  let startedAt = performance.now();
  await forEach(STREAMS, (n) =>
    make(`/v1/projects/demo/streams?streamId=${streamId(n)}`, {
      schema: { fields: [{ name: "id", type: "STRING" }] },
    }),
  );
  say(`${STREAMS} streams made in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  startedAt = performance.now();
  await forEach(SINKS, (n) =>
    make(`/v1/projects/demo/streams/${streamId(n * 10)}/sinks?sinkId=hook&skipTest=true`, {
      webhook: { url: receiver.url },
    }),
  );
  say(`${SINKS} sinks made in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}, 900_000);
afterAll(async () => {
  await server?.close();
  await receiver?.close();
}, 60_000);

/** What the node and its embedded servers take while nothing happens. */
async function measureIdle(label: string) {
  const pids = {
    node: server.child.pid ?? 0,
    nats: embeddedPid(server.dataDir, "nats"),
    postgres: embeddedPid(server.dataDir, "postgres"),
  };
  const postgresBefore = familySeconds(pids.postgres);
  const before = processorSeconds(pids.node);
  const natsBefore = processorSeconds(pids.nats);
  await sleep(10_000);
  const percent = (processorSeconds(pids.node) - before) * 10;
  const natsPercent = (processorSeconds(pids.nats) - natsBefore) * 10;
  const postgresPercent = (familySeconds(pids.postgres) - postgresBefore) * 10;
  const bytes = residentBytes(pids.node);
  say(
    `${label}: node ${megabytes(bytes)} MiB, ${percent.toFixed(1)} % of a core; ` +
      `nats-server ${megabytes(residentBytes(pids.nats))} MiB, ${natsPercent.toFixed(1)} %; ` +
      `postgres ${postgresPercent.toFixed(1)} %`,
  );
  return { percent: percent + natsPercent + postgresPercent, bytes };
}

/** Bytes of the node and its embedded servers; what Postgres' processes share counts once. */
function memoryOfAll(): number {
  const node = residentBytes(server.child.pid ?? 0);
  const [nats, postgres] = (["nats", "postgres"] as const).map((name) =>
    residentBytesOf(embeddedPid(server.dataDir, name), name === "postgres"),
  );
  return node + (nats ?? 0) + (postgres ?? 0);
}

/** Pushes `RATE` records a second for so long; resolves with the processor's share of all processes, in percent. */
async function measureLoad(loadSeconds: number): Promise<number> {
  const pid = server.child.pid ?? 0;
  const nats = embeddedPid(server.dataDir, "nats");
  const postgres = embeddedPid(server.dataDir, "postgres");
  const usage = () => [processorSeconds(pid), processorSeconds(nats), familySeconds(postgres)];
  await server.get("/healthz");
  const before = usage();
  const startedAt = performance.now();
  const calls: Promise<void>[] = [];
  for (let sent = 0; sent < RATE * loadSeconds; sent++) {
    const waitMs = startedAt + (sent / RATE) * 1_000 - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    calls.push(pushTo((sent * 37) % STREAMS));
  }
  await Promise.all(calls);
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  const percents = usage().map((used, i) => ((used - before[i]!) / tookSeconds) * 100);
  const [node, natsServer, postgresAll] = percents.map((percent) => `${percent.toFixed(1)} %`);
  say(`node ${node}, nats-server ${natsServer}, postgres ${postgresAll}`);
  return percents.reduce((sum, percent) => sum + percent, 0);
}

/** How many records of a load go to a stream with a sink. */
function deliveredOf(loadSeconds: number): number {
  const sent = Array.from({ length: RATE * loadSeconds }, (_, n) => (n * 37) % STREAMS);
  return sent.filter((n) => n % (STREAMS / SINKS) === 0).length;
}

/** Pushes to a stream that has a sink and to one that has none. */
async function expectPrompt(n: number, withinMs = 1_000): Promise<void> {
  const accepted = receiver.accepted().length;
  let startedAt = performance.now();
  await pushTo(n * 10);
  await waitFor(() => receiver.accepted().length > accepted, { what: "the delivery" });
  const deliveredMs = performance.now() - startedAt;
  startedAt = performance.now();
  await pushTo(n * 10 + 1);
  const name = `projects/demo/streams/${streamId(n * 10 + 1)}`;
  const answer = await server.get(`/v1/${name}/records`);
  const readMs = performance.now() - startedAt;
  const { records } = (await answer.json()) as { records: { value: { id: string } }[] };
  expect(records.at(-1)?.value.id).toBe(`r${n * 10 + 1}`);
  say(`delivered after ${deliveredMs.toFixed(0)} ms, read after ${readMs.toFixed(0)} ms`);
  expect(deliveredMs).toBeLessThan(withinMs);
  expect(readMs).toBeLessThan(withinMs);
}

test("10,000 streams and 1,000 sinks at rest: the node below 400 MiB, all processes together below 5 % of a core", async () => {
  await sleep(5_000);
  const { percent, bytes } = await measureIdle("after making them");
  expect(bytes).toBeLessThan(400 * 2 ** 20);
  expect(percent).toBeLessThan(5);
}, 60_000);

test("any of them takes and delivers a record within a second", async () => {
  for (const n of [0, 517, 999]) await expectPrompt(n);
});

test("167 records a second over all of them: all processes together below 25 % of a core and below 1 GB, and everything is delivered", async () => {
  const atFirst = receiver.accepted().length;
  await measureLoad(WARM_UP_SECONDS);
  const warmUp = deliveredOf(WARM_UP_SECONDS);
  await waitFor(() => receiver.accepted().length - atFirst >= warmUp, {
    what: "the deliveries of the warm-up",
    timeoutMs: 60_000,
  });
  const accepted = receiver.accepted().length;
  const percent = await measureLoad(LOAD_SECONDS);
  const bytes = memoryOfAll();
  say(`${RATE} records/s: ${percent.toFixed(1)} % of a core, ${megabytes(bytes)} MiB together`);
  const wanted = deliveredOf(LOAD_SECONDS);
  await waitFor(() => receiver.accepted().length - accepted >= wanted, {
    what: () => `${wanted} deliveries: ${receiver.accepted().length - accepted}`,
    timeoutMs: 60_000,
  });
  expect(percent).toBeLessThan(25);
  expect(bytes).toBeLessThan(1e9);
}, 180_000);

test("they start again within 10 s, at rest soon, and deliver", async () => {
  const { dataDir } = server;
  expect(await server.stop()).toBe(0);
  server = await startServer({ dataDir });
  say(`started again in ${(server.startMs / 1000).toFixed(1)} s`);
  expect(server.startMs).toBeLessThan(10_000);
  // The thousand sinks are still being opened.
  await expectPrompt(123, 5_000);
  await sleep(5_000);
  const { percent, bytes } = await measureIdle("after the restart");
  expect(bytes).toBeLessThan(400 * 2 ** 20);
  expect(percent).toBeLessThan(5);
  await expectPrompt(321);
}, 90_000);
