/** Freezes the node that owns delivery until another has taken over, then wakes it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../cluster.ts";
import { checkHistory, type Verdict } from "../history.ts";
import { startLoad } from "../load.ts";
import { startReceiver } from "../receiver.ts";
import { acceptedRows, openRig } from "../rig.ts";
import { waitFor } from "../server.ts";
import { moreAcked } from "./outage.ts";
import { repeatedRequests } from "./server-kill.ts";

/** What came of it. */
export interface TakeoverResult {
  readonly table: Verdict;
  readonly webhook: Verdict;
  /** Milliseconds from the freeze to the first row that the other node delivered. */
  readonly takeoverMs: number;
  readonly repeatedRequests: number;
  readonly changedRequests: readonly string[];
  readonly surprises: readonly string[];
}

/**
 * Runs a node that only takes pushes, an owner of delivery and, once that one delivers, a heir;
 * freezes the owner for `frozenMs` and wakes it while the load goes on.
 */
export async function freezeOwner(cluster: Cluster, frozenMs: number): Promise<TakeoverResult> {
  const front = await cluster.startNode({ env: { TRIBUTARY_ROLES: "api,push" } });
  const deliver = { PUBLIC_URL: front.url, TRIBUTARY_ROLES: "deliver" };
  const owner = await cluster.startNode({ env: deliver });
  const receiver = await startReceiver({ kind: "ok", delayMs: 20 });
  const rig = await openRig({
    target: front,
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    receiver,
  });
  const load = startLoad({ target: front, stream: rig.stream, pauseMs: 20 });
  try {
    const rowsNow = async () => (await rig.rows()).length;
    await waitFor(async () => (await rowsNow()) > 100, { what: "the owner to deliver" });
    await cluster.startNode({ env: deliver });
    owner.child.kill("SIGSTOP");
    const frozenAt = performance.now();
    const frozenRows = await rowsNow();
    await waitFor(async () => (await rowsNow()) > frozenRows, {
      timeoutMs: 30_000,
      everyMs: 50,
      what: "the heir to deliver",
    });
    const takeoverMs = performance.now() - frozenAt;
    await sleep(Math.max(0, frozenMs - takeoverMs));
    owner.child.kill("SIGCONT");
    await waitFor(moreAcked(load, 500), { what: "the load after the wake-up" });
    await load.stop();
    const table = await rig.settle(load, 60_000);
    const judge = () => checkHistory(load.history, acceptedRows(receiver));
    await waitFor(() => judge().lost.length === 0, { timeoutMs: 60_000, everyMs: 200 }).catch(
      () => {},
    );
    const repeats = repeatedRequests(receiver);
    return { table, webhook: judge(), takeoverMs, surprises: load.surprises, ...repeats };
  } finally {
    owner.child.kill("SIGCONT");
    await load.stop(0);
    await rig.close();
    await receiver.close();
  }
}
