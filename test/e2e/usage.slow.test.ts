import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { type Target, type TestServer, waitFor } from "../support/server.ts";

let cluster: Cluster;
let first: TestServer;
let second: TestServer;

beforeAll(async () => {
  cluster = await startCluster();
  first = await cluster.startNode();
  second = await cluster.startNode({ env: { PUBLIC_URL: first.url } });
});
afterAll(() => cluster?.close());

interface Usage {
  totals?: { records?: string; bytes?: string; unauthenticatedRecords?: string };
}

const usageOf = async (target: Target, name: string) => {
  const { totals } = await call<Usage>(target, "management.v1.UsageService/GetUsage", { name });
  return {
    records: Number(totals?.records ?? 0),
    bytes: Number(totals?.bytes ?? 0),
    unauthenticated: Number(totals?.unauthenticatedRecords ?? 0),
  };
};

test("S12: usage equals what was acknowledged, over two nodes of which one is killed with -9 under load", async () => {
  const stream = await createStream(first, "counted", { fields: LOAD_FIELDS, keyFields: ["key"] });
  const loads = [first, second].map((target) => startLoad({ target, stream, writers: 4, keys: 1 }));
  await waitFor(() => loads.every((load) => load.attempts.length > 150), {
    timeoutMs: 30_000,
    what: "the loads to run",
  });
  // Whichever node owns a shard: one that counts is killed, and its successor goes on from its mark.
  const victim = first;
  const port = Number(new URL(victim.url).port);
  await victim.stop("SIGKILL");
  await waitFor(moreAcked(loads[1]!, 200), { timeoutMs: 30_000, what: "the survivor to go on" });
  first = await cluster.startNode({ port, env: { PUBLIC_URL: victim.url } });
  await waitFor(moreAcked(loads[0]!, 100), { timeoutMs: 30_000, what: "the victim to go on" });
  await Promise.all(loads.map((load) => load.stop()));
  expect(loads.flatMap((load) => load.surprises)).toEqual([]);
  // Every call was repeated with its idempotency key until it was answered with 200: the number of
  // records is that of the calls, whatever the crash did to some of their answers.
  const acked = loads
    .flatMap((load) => load.attempts)
    .filter((attempt) => attempt.status === 200).length;
  await waitFor(async () => (await usageOf(second, stream)).records >= acked * 5, {
    timeoutMs: 30_000,
    what: `${acked * 5} records to be counted`,
  }).catch(() => undefined);
  const counted = await usageOf(second, stream);
  expect(counted).toMatchObject({ records: acked * 5, unauthenticated: 0 });
  const { records } = await call<{ records?: { value: unknown }[] }>(
    second,
    "records.v1.RecordService/ListRecords",
    { stream, pageSize: 1 },
  );
  expect(counted.bytes / counted.records).toBeGreaterThan(
    JSON.stringify(records?.[0]?.value).length * 0.7,
  );
}, 120_000);

test("S12: the usage of a deleted stream stays, all of it", async () => {
  const stream = await createStream(first, "brief", { fields: { n: "LONG" } });
  await waitFor(async () => {
    const answer = await second.post(`/v1/${stream}/records`, [{ value: { n: 1 } }]);
    return answer.status === 200;
  });
  for (let i = 0; i < 9; i++) await second.post(`/v1/${stream}/records`, [{ value: { n: i } }]);
  await call(first, "management.v1.StreamService/DeleteStream", { name: stream });
  expect(await usageOf(first, stream)).toMatchObject({ records: 10, bytes: 70 });
});
