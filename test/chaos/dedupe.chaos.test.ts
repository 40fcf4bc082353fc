import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStream, listAll, push } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { printFigures, size } from "../support/faults/figures.ts";
import { type Node, startFaultNode } from "../support/faults/nodes.ts";
import { checkHistory, createHistory, faultsOf } from "../support/history.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const PUSHES = size(200, 10_000);
const RESTARTS = size(3, 5);
const WINDOW_S = size(300, 600);
const AT_ONCE = 16;

/** Pushes the numbers, each with the idempotency key of its own, until each was answered with 200. */
async function pushAll(node: Node, stream: string, keys: readonly string[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < keys.length; n = next++) {
      const headers = { "idempotency-key": keys[n]! };
      await waitFor(
        async () => {
          const value = { key: `k${n % 100}`, n };
          const answer = await push(node.server, stream, [value], headers).catch(() => undefined);
          await answer?.text();
          return answer?.status === 200;
        },
        { timeoutMs: 60_000, everyMs: 100, what: `push ${n}` },
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

test("pushes sent three times across five restarts of node and nats-server inside the window are stored once; after it, twice", async () => {
  const env = { TRIBUTARY_IDEMPOTENCY_SECONDS: String(WINDOW_S) };
  const node = await startFaultNode(cluster, "api,push", env);
  const fields = { key: "STRING", n: "LONG" };
  const stream = await createStream(node.server, "once", { fields, keyFields: ["key"] });
  const keys = Array.from({ length: PUSHES }, () => randomUUID());
  const beganAtMs = performance.now();
  await pushAll(node, stream, keys);
  for (let restart = 0; restart < RESTARTS; restart++) {
    // The third time, the resending is under way while they fall.
    const resending = restart % 2 === 0 ? pushAll(node, stream, keys) : undefined;
    await Promise.all([
      cluster.nats.kill("SIGKILL"),
      node.end(restart % 2 ? "SIGTERM" : "SIGKILL"),
    ]);
    await cluster.nats.restart();
    await node.start();
    await resending;
  }
  const elapsedS = (performance.now() - beganAtMs) / 1_000;
  const history = createHistory();
  for (let n = 0; n < PUSHES; n++) {
    const record = { key: `k${n % 100}`, n };
    history.invoke(record);
    history.settle(record, "ok");
  }
  const rows = (await listAll(node.server, stream)).map(({ value }) => ({
    key: String(value.key),
    n: Number(value.n),
  }));
  const log = checkHistory(history, rows);
  // The window begins when a push is stored; nats-server forgets what has left it within another window.
  await sleep(Math.max(0, WINDOW_S - elapsedS) * 1_000);
  const storedAfterWindow = await waitFor(
    async () => {
      await pushAll(node, stream, keys.slice(0, 1));
      const stored = (await listAll(node.server, stream)).length;
      return stored > PUSHES ? stored : undefined;
    },
    { timeoutMs: WINDOW_S * 1_000 + 30_000, everyMs: 5_000, what: "a resend to be stored again" },
  );
  const more = { resends: 3, windowS: WINDOW_S, elapsedS, storedAfterWindow };
  printFigures("dedupe", { faults: RESTARTS, log }, more);
  expect(elapsedS).toBeLessThan(WINDOW_S);
  // Pushes side by side are in no order.
  expect(faultsOf({ ...log, reorder: [] })).toEqual({});
  expect(storedAfterWindow).toBe(PUSHES + 1);
}, 3_600_000);
