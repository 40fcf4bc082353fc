import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { isLong, size } from "../support/faults/figures.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { residentBytes } from "../support/process-usage.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const DEAD_MS = size(40_000, 1_800_000);
const MIB = 1024 * 1024;

test("D4, D5: a sink that is dead for long: memory stays flat, and its backlog drains three times as fast as it grew, in order", async () => {
  const server = await cluster.startNode();
  const scene = await openScene({
    target: server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    // Four writers with 25 records every 50 ms: at most 2,000 a second.
    load: { writers: 4, recordsPerCall: 25, pauseMs: 50 },
  });
  const { load, receiver } = scene;
  const acked = () => load.history.count("ok");
  const got = () => receiver.accepted().length;
  try {
    await waitFor(moreAcked(load, 2_000), { timeoutMs: 120_000, what: "the load to run" });
    receiver.mode = { kind: "status", status: 503 };
    const beganAtMs = performance.now();
    const ackedBefore = acked();
    const samples: number[] = [];
    while (performance.now() - beganAtMs < DEAD_MS) {
      await sleep(1_000);
      samples.push(residentBytes(server.child.pid!));
    }
    const inflow = (acked() - ackedBefore) / ((performance.now() - beganAtMs) / 1_000);
    // The first third warms up.
    const settled = samples.slice(Math.floor(samples.length / 3));
    const quarter = Math.ceil(settled.length / 4);
    const mean = (some: readonly number[]) => some.reduce((a, b) => a + b, 0) / some.length;
    const driftMiB = (mean(settled.slice(-quarter)) - mean(settled.slice(0, quarter))) / MIB;
    await load.stop();
    const backlog = acked() - got();
    receiver.mode = { kind: "ok" };
    const begin = got();
    // The waits of the retry schedule are no part of the speed.
    await waitFor(() => got() > begin, { timeoutMs: 60_000, what: "the sink to be tried again" });
    const drainFromMs = performance.now();
    await waitFor(() => got() >= acked(), { timeoutMs: DEAD_MS * 3 + 60_000, everyMs: 20 });
    const drain = backlog / ((performance.now() - drainFromMs) / 1_000);
    const outcome = await scene.finish();
    const more = { backlog, inflow, drain, drainByInflow: drain / inflow, driftMiB };
    expectWhole("sink-dead", outcome, { faults: 1, more });
    expect(driftMiB).toBeLessThan(50);
    expect(drain / inflow).toBeGreaterThan(isLong ? 3 : 1);
  } finally {
    await scene.close();
  }
}, 7_200_000);
