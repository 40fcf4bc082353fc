import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
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

const KILLS = size(5, 20);
const SERVES_WITHIN_MS = 15_000;

test("N03: everything killed at once and started in any order serves again within 15 s and has lost nothing", async () => {
  const node = await startFaultNode(cluster, "api,push,deliver");
  const scene = await openScene({
    target: node.server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
  });
  const { nats, postgres } = cluster;
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: 300,
      async kill() {
        await Promise.all([nats.kill("SIGKILL"), postgres.kill("SIGKILL"), node.end()]);
        const starts = [() => nats.restart(), () => postgres.restart(), () => node.start()];
        // In any order: none may count on another being there.
        await Promise.all(
          starts.map(async (start) => {
            await sleep(Math.random() * 2_000);
            await start();
          }),
        );
      },
    });
    const outcome = await scene.finish();
    const recoveryMs = longest(recoveriesMs);
    expectWhole("kill-everything", outcome, { faults: KILLS, more: { recoveryMs } });
    expect(recoveryMs).toBeLessThan(SERVES_WITHIN_MS);
  } finally {
    await scene.close();
  }
}, 3_600_000);
