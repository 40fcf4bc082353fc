import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad } from "../support/faults/kills.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const KILLS = size(10, 100);
/** Requests of the webhook that may be under way at a kill. */
const IN_FLIGHT_MAX = 16;

test("N04, N05: the node that delivers, killed with -9 again and again: Postgres has every row once, the webhook gets at most what was under way again, unchanged", async () => {
  const front = await startFaultNode(cluster, "api,push");
  const deliverer = await startFaultNode(cluster, "deliver", { PUBLIC_URL: front.url });
  const scene = await openScene({
    target: front.server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { recordsPerCall: size(5, 20) },
  });
  try {
    await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: size(200, 2_000),
      async kill() {
        await deliverer.end();
        await deliverer.start();
      },
    });
    const outcome = await scene.finish();
    expectWhole("kill-delivery", outcome, { faults: KILLS });
    expect(outcome.repeatedRequests).toBeLessThanOrEqual(KILLS * IN_FLIGHT_MAX);
  } finally {
    await scene.close();
  }
}, 7_200_000);
