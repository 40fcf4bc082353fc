import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { isLong, size } from "../support/faults/figures.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { residentBytes } from "../support/process-usage.ts";
import type { Target } from "../support/server.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const ROUNDS = size(8, 60);
const ROUND_MS = size(8_000, 60_000);
const MIB = 1024 * 1024;

test("N03, N04, N05: one fault after the other, at random, under a steady load: nothing lost or out of order, memory flat", async () => {
  const front = await startFaultNode(cluster, "api,push,deliver");
  const other = await startFaultNode(cluster, "api,push,deliver", { PUBLIC_URL: front.url });
  const nodes = [front, other];
  let calls = 0;
  const target: Target = {
    get url() {
      return nodes[calls++ % 2]!.url;
    },
    token: front.server.token,
  };
  await front.server.token();
  const scene = await openScene({
    target,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    load: { recordsPerCall: size(5, 20), pauseMs: size(20, 75) },
  });
  const { nats, postgres } = cluster;
  const pause = async (pid: number) => {
    process.kill(pid, "SIGSTOP");
    await sleep(5_000);
    process.kill(pid, "SIGCONT");
  };
  const faults: Record<string, () => Promise<unknown>> = {
    "kill nats": () => nats.kill("SIGKILL").then(() => nats.restart()),
    "kill postgres": () => postgres.kill("SIGKILL").then(() => postgres.restart()),
    "kill a node": () => other.end().then(() => other.start()),
    "replace a node": () => other.end("SIGTERM").then(() => other.start()),
    "pause nats": () => pause(nats.pid),
    "pause a node": () => pause(other.server.child.pid!),
    "webhook fails": async () => {
      scene.receiver.mode = { kind: "status", status: 503 };
      await sleep(5_000);
      scene.receiver.mode = { kind: "ok" };
    },
    "webhook hangs": async () => {
      scene.receiver.mode = { kind: "hang" };
      await sleep(5_000);
      scene.receiver.mode = { kind: "ok" };
    },
  };
  const names = Object.keys(faults);
  const done: string[] = [];
  const memory: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const endMs = performance.now() + ROUND_MS;
      // Each once before any comes again.
      const left = names.filter((name) => !done.slice(-(round % names.length)).includes(name));
      const name = round % names.length === 0 ? pick(names) : pick(left);
      done.push(name);
      await faults[name]!();
      await waitFor(moreAcked(scene.load, 50), {
        timeoutMs: 90_000,
        what: `pushes after: ${name}`,
      });
      await sleep(Math.max(0, endMs - performance.now()));
      memory.push(residentBytes(front.server.child.pid!) / MIB);
    }
    const outcome = await scene.finish({ timeoutMs: 180_000 });
    const third = Math.ceil(memory.length / 3);
    const minutes = ((memory.length - third) * ROUND_MS) / 60_000;
    const slope = (memory.at(-1)! - memory[third]!) / minutes;
    const more = { kinds: new Set(done).size, slopeMiBPerMinute: slope };
    expectWhole("soak", outcome, { faults: ROUNDS, more });
    if (isLong) expect(slope).toBeLessThan(1);
  } finally {
    await scene.close();
  }
}, 7_200_000);

function pick(names: readonly string[]): string {
  return names[Math.floor(Math.random() * names.length)]!;
}
