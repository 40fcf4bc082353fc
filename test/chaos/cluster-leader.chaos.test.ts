import { afterAll, beforeAll, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
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

test("N03: of three nats-servers the leader of the log killed with -9 again and again: nothing is lost, doubled or out of order", async () => {
  const server = await cluster.startNode({
    env: { NATS_URL: nats.url, TRIBUTARY_NATS_REPLICAS: "3", TRIBUTARY_SHARDS: "2" },
  });
  const scene = await openScene({
    target: server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { recordsPerCall: size(5, 20) },
  });
  const streams = (await nats.streams()).filter((name) => !/KV|cursors|held/i.test(name));
  const leaders: string[] = [];
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: size(300, 4_000),
      async kill(nth) {
        await nats.whole();
        const leader = await nats.leaderOf(streams[nth % streams.length]!);
        leaders.push(leader.url);
        await leader.kill("SIGKILL");
        await leader.restart();
      },
    });
    const outcome = await scene.finish({ timeoutMs: 45_000 });
    const more = { leaders: new Set(leaders).size, streams, recoveryMs: longest(recoveriesMs) };
    if (outcome.table.lost.length > 0) process.stderr.write(server.output());
    expectWhole("cluster-leader", outcome, { faults: KILLS, more });
  } finally {
    await scene.close();
  }
}, 7_200_000);
