import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSink, createStream } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { isLong, printFigures, size } from "../support/faults/figures.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { checkLedgers, readLog } from "../support/faults/scene.ts";
import { repeatedRequests } from "../support/faults/server-kill.ts";
import { checkHistory, faultsOf } from "../support/history.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { type ReceiverMode, startReceiver } from "../support/receiver.ts";
import { acceptedRows } from "../support/rig.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const MODES: readonly (readonly [string, ReceiverMode])[] = [
  ["500", { kind: "status", status: 500 }],
  ["hang", { kind: "hang" }],
  ["302", { kind: "status", status: 302, location: "http://127.0.0.1:1/" }],
  ["429", { kind: "status", status: 429, retryAfter: 1 }],
  ["drip-head", { kind: "drip", at: "head" }],
  ["drip-body", { kind: "drip", at: "body" }],
  ["reset-head", { kind: "reset", at: "head" }],
  ["reset-body", { kind: "reset", at: "body" }],
];
const EACH_MS = size(5_000, 600_000);
const STALL_MAX_MS = 5_000;

test("D4, N04: a webhook that fails in every way loses nothing and holds up no healthy one", async () => {
  const server = await cluster.startNode();
  const [healthy, bad] = await Promise.all([startReceiver(), startReceiver()]);
  const stream = await createStream(server, "modes", { fields: LOAD_FIELDS, keyFields: ["key"] });
  const make = (id: string, url: string) =>
    createSink(server, stream, {
      id,
      webhook: { url },
      retry: { schedule: ["0.5s", "1s"], timeout: "2s" },
    });
  const sinks = [await make("healthy", healthy.url), await make("bad", bad.url)];
  const load = startLoad({ target: server, stream, writers: 4, pauseMs: 20 });
  const stalls: Record<string, number> = {};
  try {
    for (const [name, mode] of [["none", { kind: "ok" }] as const, ...MODES]) {
      await waitFor(moreAcked(load, 50), { timeoutMs: 60_000, what: "the load to run" });
      bad.mode = mode;
      const from = healthy.requests.length;
      const endMs = performance.now() + EACH_MS;
      await sleep(EACH_MS);
      const atMs = healthy.requests.slice(from).map((request) => request.atMs);
      stalls[name] = Math.max(...atMs.map((at, i) => (atMs[i + 1] ?? endMs) - at), 0);
      expect(atMs.length).toBeGreaterThan(0);
      bad.mode = { kind: "ok" };
    }
    await load.stop();
    const judge = (receiver: typeof bad) => checkHistory(load.history, acceptedRows(receiver));
    await waitFor(() => judge(bad).lost.length + judge(healthy).lost.length === 0, {
      timeoutMs: 120_000,
      everyMs: 250,
      what: "both to have everything",
    });
    const log = checkHistory(load.history, await readLog(server, stream));
    const ledger = await checkLedgers(server, sinks, { pushed: log.stored, timeoutMs: 30_000 });
    const figures = { faults: MODES.length, log, ledger };
    const repeats = repeatedRequests(bad);
    printFigures(
      "sink-modes",
      { ...figures, sinks: { healthy: judge(healthy), bad: judge(bad) } },
      { healthyStallMs: stalls, repeatedRequests: repeats.repeatedRequests },
    );
    expect(faultsOf(judge(healthy))).toEqual({});
    expect(faultsOf(judge(bad), { dup: true })).toEqual({});
    expect(repeats.changedRequests).toEqual([]);
    expect(ledger).toEqual([]);
    const worst = Math.max(...MODES.map(([name]) => stalls[name]!));
    expect(worst).toBeLessThan(isLong ? 1_000 : STALL_MAX_MS);
  } finally {
    await load.stop(0);
    await Promise.all([healthy.close(), bad.close()]);
  }
}, 7_200_000);
