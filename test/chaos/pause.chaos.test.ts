import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { printFigures, size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { freezeOwner } from "../support/faults/takeover.ts";
import { faultsOf } from "../support/history.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const PAUSE_MS = size(8_000, 20_000);
const PAUSES = size(2, 10);

test("N04, N05: an owner frozen and woken after another took over puts nothing twice or out of order into Postgres", async () => {
  const result = await freezeOwner(cluster, size(30_000, 90_000));
  const { table, webhook, takeoverMs, repeatedRequests } = result;
  const figures = { faults: 1, sinks: { postgres: table, webhook } };
  printFigures("pause (delivery)", figures, { takeoverMs, repeatedRequests });
  expect(result.surprises).toEqual([]);
  expect(faultsOf(table)).toEqual({});
  expect(faultsOf(webhook, { dup: true })).toEqual({});
  expect(result.changedRequests).toEqual([]);
  expect(repeatedRequests).toBeLessThanOrEqual(16);
}, 400_000);

test("N03: nats-server and a node that takes pushes, frozen in turn: no OK without storage, nothing lost or doubled", async () => {
  const ingest = await startFaultNode(cluster, "api,push,deliver");
  const scene = await openScene({
    target: ingest.server,
    id: "frozen",
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
  });
  let answeredWhileFrozen = 0;
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: PAUSES * 2,
      recordsBetween: 200,
      async kill(nth) {
        const pids = [cluster.nats.pid, ingest.server.child.pid!];
        const pid = pids[nth % pids.length]!;
        process.kill(pid, "SIGSTOP");
        // What was under way may be answered still.
        await sleep(500);
        const before = scene.load.history.count("ok");
        await sleep(PAUSE_MS);
        answeredWhileFrozen += scene.load.history.count("ok") - before;
        process.kill(pid, "SIGCONT");
      },
    });
    const outcome = await scene.finish();
    const more = { answeredWhileFrozen, recoveryMs: longest(recoveriesMs) };
    expectWhole("pause (nats, ingest)", outcome, { faults: PAUSES * 2, more });
    expect(answeredWhileFrozen).toBe(0);
  } finally {
    await scene.close();
  }
}, 1_200_000);
