import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { longest } from "../support/faults/kills.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { startTcpProxy, type TcpProxy, type Toxic } from "../support/faults/tcp-proxy.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;
const proxies: TcpProxy[] = [];

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
});

const TOXICS: readonly Toxic[] = [
  { kind: "latency", ms: 500 },
  { kind: "reset", afterMs: 1_000 },
  { kind: "slow_close", ms: 2_000 },
  { kind: "timeout" },
  { kind: "down" },
];
const EACH_MS = size(4_000, 150_000);

/** A proxy before what an address names. */
async function proxyBefore(url: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(url);
  const proxy = await startTcpProxy(() => ({ host: hostname, port: Number(port) }));
  proxies.push(proxy);
  return proxy;
}

test("N03, N04: slow, cut, half-closed, silent and refused connections to NATS, Postgres and each sink lose nothing", async () => {
  const nats = await proxyBefore(cluster.nats.url);
  const database = await proxyBefore(cluster.postgres.url);
  const table = await proxyBefore(cluster.postgres.url);
  const server = await cluster.startNode({
    env: {
      NATS_URL: nats.before(cluster.nats.url),
      DATABASE_URL: database.before(cluster.databaseUrl),
    },
  });
  let receiverPort = 0;
  const hook = await startTcpProxy(() => ({ host: "127.0.0.1", port: receiverPort }));
  proxies.push(hook);
  const scene = await openScene({
    target: server,
    databaseUrl: cluster.sinkDatabaseUrl,
    sinkDatabaseUrl: table.before(cluster.sinkDatabaseUrl),
    isEmbedded: false,
    webhookUrl({ url }) {
      receiverPort = Number(new URL(url).port);
      return hook.before(url);
    },
  });
  const recoveriesMs: number[] = [];
  try {
    for (const proxy of proxies) {
      for (const toxic of TOXICS) {
        await waitFor(moreAcked(scene.load, 100), { timeoutMs: 60_000, what: "the load to run" });
        proxy.toxic = toxic;
        await sleep(EACH_MS);
        proxy.toxic = { kind: "none" };
        const endedAtMs = performance.now();
        await waitFor(moreAcked(scene.load, 20), {
          timeoutMs: 60_000,
          what: `pushes after ${toxic.kind}`,
        });
        recoveriesMs.push(performance.now() - endedAtMs);
      }
    }
    const outcome = await scene.finish({ timeoutMs: 180_000 });
    const faults = proxies.length * TOXICS.length;
    expectWhole("net", outcome, { faults, more: { recoveryMs: longest(recoveriesMs) } });
  } finally {
    await scene.close();
  }
}, 7_200_000);
