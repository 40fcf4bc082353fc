import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DELIVERY_POINTS, type DeliveryPoint } from "../../src/delivery/crash-points.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { openPointActs, type PointActs } from "../support/faults/point-acts.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { faultsOf } from "../support/history.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const ROUNDS = size(1, 5);
/** Points that a load alone passes all the time; the others are provoked, and met at their first pass. */
const OFTEN: readonly DeliveryPoint[] = [
  "fetched",
  "planned",
  "cursor-writing",
  "cursor-written",
  "sending",
  "answered",
  "settled",
];

test("D1, D2, D3: processes that deliver, killed with -9 at each named point, lose, double and reorder nothing, and every ledger is exact", async () => {
  const front = await startFaultNode(cluster, "api,push");
  const nodeEnv = { PUBLIC_URL: front.url };
  const scene = await openScene({
    target: front.server,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { writers: 2, pauseMs: 300 },
  });
  const acts = await openPointActs(front.server, scene);
  try {
    const lives = new Map<DeliveryPoint, number[]>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const point of DELIVERY_POINTS) {
        const tookMs = await liveUntil(point, { acts, env: nodeEnv });
        lives.set(point, [...(lives.get(point) ?? []), tookMs]);
      }
    }
    const last = await startFaultNode(cluster, "deliver", nodeEnv);
    const outcome = await scene.finish();
    const found = await acts.finish(outcome.log.stored);
    const livesMs = [...lives.values()].flat();
    const more = { points: lives.size, longestLifeMs: Math.max(...livesMs) };
    for (const [point, took] of lives) {
      process.stderr.write(`${point.padEnd(20)} killed ${took.length} times\n`);
    }
    expectWhole("crash-points", outcome, { faults: livesMs.length, more });
    expect(found.faults).toEqual([]);
    const { reorder: _, ...lostOrInvented } = faultsOf(found.holding, { dup: true });
    expect(lostOrInvented).toEqual({});
    expect(faultsOf(found.blocking, { dup: true })).toEqual({});
    await last.end("SIGTERM");
  } finally {
    await scene.close();
    await acts.close();
  }
}, 7_200_000);

/** One process' life, or more than one where a start comes to nothing; gives its milliseconds. */
async function liveUntil(point: DeliveryPoint, life: Life): Promise<number> {
  const passes = OFTEN.includes(point) ? 1 + Math.floor(Math.random() * 20) : 1;
  const beganAt = performance.now();
  for (let start = 1; ; start++) {
    const { isStarted, end } = await liveOnce([point, passes], life);
    if (end === "SIGKILL") break;
    // On a loaded machine Postgres may not be reached in time; what dies later dies of something else.
    if (isStarted || start === 5) throw new Error(`${point}: ended with ${end}`);
  }
  const tookMs = performance.now() - beganAt;
  process.stderr.write(`${point}: killed at pass ${passes} after ${Math.round(tookMs)} ms\n`);
  return tookMs;
}

/** What a life needs. */
interface Life {
  readonly acts: PointActs;
  readonly env: Record<string, string>;
}

async function liveOnce([point, passes]: readonly [DeliveryPoint, number], { acts, env }: Life) {
  const { child, exited, output } = cluster.launchNode({
    entry: ["test/support/faults/mortal-server.ts", point, String(passes)],
    env: { ...env, TRIBUTARY_ROLES: "deliver" },
  });
  const endMs = performance.now() + 240_000;
  let isDead = false;
  void exited.then(() => {
    isDead = true;
  });
  try {
    while (!isDead) {
      if (performance.now() > endMs) {
        throw new Error(`${point} was not passed ${passes} times: ${output()}`);
      }
      // A call about held records waits for an owner, also a dead one.
      await Promise.race([acts.act(point), exited]);
      if (!isDead) await sleep(300);
    }
    const end = child.signalCode ?? `${child.exitCode}: ${output()}`;
    return { isStarted: /^ready/m.test(output()), end };
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
}
