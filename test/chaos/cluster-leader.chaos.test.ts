import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
import { measureRecovery, type Recovery } from "../support/faults/leader-recovery.ts";
import { type NatsCluster, startNatsCluster } from "../support/faults/nats-cluster.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";

let cluster: Cluster;
let nats: NatsCluster;

beforeAll(async () => {
  [cluster, nats] = await Promise.all([startCluster(), startNatsCluster()]);
});
afterAll(async () => {
  await cluster?.close();
  await nats?.close();
});

const KILLS = size(6, 30);
/** From the election of the last leader to pushes, to deliveries, and until nothing is behind. */
const RECOVERS_WITHIN_MS = 10_000;

test("N03: of three nats-servers the leader of the log killed with -9 again and again: nothing is lost, doubled or out of order", async () => {
  const server = await cluster.startNode({
    env: { NATS_URL: nats.url, TRIBUTARY_NATS_REPLICAS: "3", TRIBUTARY_SHARDS: "2" },
  });
  const databaseUrl = cluster.sinkDatabaseUrl;
  const scene = await openScene({
    target: server,
    databaseUrl,
    isEmbedded: false,
    // Sinks that wait as long as the product's: an election may be no failure of theirs.
    schedule: [],
    load: { recordsPerCall: size(5, 20) },
  });
  const all = await nats.streams();
  const streams = all.filter((name) => !/KV|cursors|held/i.test(name));
  const leaders: string[] = [];
  const recoveries: Recovery[] = [];
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: size(300, 4_000),
      async kill(nth) {
        await nats.whole();
        const leader = await nats.leaderOf(streams[nth % streams.length]!);
        leaders.push(leader.url);
        const killedAtMs = performance.now();
        await leader.kill("SIGKILL");
        // It comes back while the others elect, or after.
        const [ledAtMs] = await Promise.all([nats.led(all), leader.restart()]);
        const recovery = await measureRecovery(scene, { killedAtMs, ledAtMs, databaseUrl });
        process.stderr.write(`kill ${nth + 1}: ${JSON.stringify(recovery)}\n`);
        recoveries.push(recovery);
      },
    });
    const outcome = await scene.finish({ timeoutMs: 45_000 });
    const most = (of: (recovery: Recovery) => number) => longest(recoveries.map(of));
    const more = {
      leaders: new Set(leaders).size,
      recoveryMs: longest(recoveriesMs),
      electionMs: most(({ electionMs }) => electionMs),
      pushMs: most(({ pushMs }) => pushMs),
      deliveryMs: most(({ deliveryMs }) => deliveryMs),
      wholeMs: most(({ wholeMs }) => wholeMs),
    };
    if (outcome.table.lost.length > 0) process.stderr.write(server.output());
    expectWhole("cluster-leader", outcome, { faults: KILLS, more });
    expect(more.pushMs).toBeLessThan(RECOVERS_WITHIN_MS);
    expect(more.deliveryMs).toBeLessThan(RECOVERS_WITHIN_MS);
    expect(more.wholeMs).toBeLessThan(RECOVERS_WITHIN_MS);
  } finally {
    await scene.close();
  }
}, 7_200_000);
