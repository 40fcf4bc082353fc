import { afterAll, beforeAll, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const KILLS = size(8, 100);

test("N03: a node that takes pushes, killed with -9 again and again: what it acknowledged is there, and what is sent again is stored once", async () => {
  const ingest = await startFaultNode(cluster, "api,push");
  await startFaultNode(cluster, "deliver", { PUBLIC_URL: ingest.url });
  const scene = await openScene({
    target: ingest.server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { writers: 16, recordsPerCall: size(5, 25) },
  });
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: size(300, 5_000),
      async kill() {
        await ingest.end();
        await ingest.start();
      },
    });
    const outcome = await scene.finish();
    const unanswered = scene.load.attempts.filter(({ status }) => status === 0).length;
    const more = { unanswered, recoveryMs: longest(recoveriesMs) };
    expectWhole("kill-ingest", outcome, { faults: KILLS, more });
  } finally {
    await scene.close();
  }
}, 7_200_000);
