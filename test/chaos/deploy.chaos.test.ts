import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import type { Target } from "../support/server.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const DEPLOYS = size(6, 20);
const DRAIN_MS = 10_000;

test("N03: nodes replaced one after the other by SIGTERM under load: every push succeeds, at once or repeated; each drains within 10 s and ends with 0", async () => {
  const first = await startFaultNode(cluster, "api,push,deliver");
  const second = await startFaultNode(cluster, "api,push,deliver", { PUBLIC_URL: first.url });
  const nodes = [first, second];
  let calls = 0;
  // As a client behind a balancer: each attempt goes to the next node.
  const target: Target = {
    get url() {
      return nodes[calls++ % nodes.length]!.url;
    },
    token: first.server.token,
  };
  await first.server.token();
  const scene = await openScene({
    target,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { recordsPerCall: size(5, 20) },
  });
  const drainsMs: number[] = [];
  const codes: (number | null)[] = [];
  try {
    await killUnderLoad(scene, {
      kills: DEPLOYS,
      recordsBetween: 300,
      async kill(nth) {
        const node = nodes[nth % nodes.length]!;
        const beganAtMs = performance.now();
        codes.push(await node.end("SIGTERM"));
        drainsMs.push(performance.now() - beganAtMs);
        await node.start();
      },
    });
    const outcome = await scene.finish();
    const { history, attempts } = scene.load;
    const failed = history.count("unknown") + history.count("refused");
    const repeated = attempts.filter(({ status }) => status !== 200).length;
    const more = { failedPushes: failed, repeatedAttempts: repeated, drainMs: longest(drainsMs) };
    expectWhole("deploy", outcome, { faults: DEPLOYS, more });
    expect(failed).toBe(0);
    expect(codes).toEqual(codes.map(() => 0));
    expect(more.drainMs).toBeLessThan(DRAIN_MS);
  } finally {
    await scene.close();
  }
}, 3_600_000);
