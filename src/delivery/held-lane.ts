/** Replay and discard of held records, by the owner of the sink. */
import { createHash } from "node:crypto";
import { fail } from "../core/errors.ts";
import type { Place, RequestOutcome, RowOutcome } from "../sinks/sink.ts";
import { noteAttempt } from "./attempt-notes.ts";
import { attemptWrite, outcomeOfError } from "./destinations.ts";
import { type HeldEntry, type HeldKey, type HoldInput, rowOfCopy } from "./held-store.ts";
import type { Lane } from "./lane.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LaneRun } from "./lane-run.ts";
import { comparePlaces, formatPlace } from "./place.ts";
import { whileQuiet } from "./quiet-lanes.ts";
import type { SinkRun } from "./sink-run.ts";
import type { VersionPlan } from "./version-table.ts";

const QUIET_TIMEOUT_MS = 10_000;
const REPLAY_COUNT_MAX = 100;
/** Copies given up at once: their places stand in the cursor until the copies are gone. */
const DISCARD_COUNT_MAX = 1_000;

/** Gives held records up; the number of them. */
export async function discardHeld(run: SinkRun, keys: readonly HeldKey[]): Promise<number> {
  for (const [partition, some] of byPartition(keys)) {
    for (let at = 0; at < some.length; at += DISCARD_COUNT_MAX) {
      const page = some.slice(at, at + DISCARD_COUNT_MAX);
      await release(run, partition, { keys: page, to: "discarded" });
    }
    await resumeKeys(run, partition);
  }
  run.roomMade();
  return keys.length;
}

/**
 * Delivers held records again, in order, between the requests of their lane; those that fail are held
 * again. Gives the number delivered. Fails with DESTINATION_REFUSED when the destination takes nothing.
 */
export async function replayHeld(run: SinkRun, keys: readonly HeldKey[]): Promise<number> {
  let count = 0;
  for (const [partition, some] of byPartition(keys)) {
    const ordered = [...some].sort((a, b) => comparePlaces(a.place, b.place));
    try {
      for (let at = 0; at < ordered.length; at += REPLAY_COUNT_MAX) {
        // Between two pages the lane goes on with what else it has: 100,000 copies take minutes.
        const page = await run.held.read(ordered.slice(at, at + REPLAY_COUNT_MAX));
        const lane = run.lanes.get(partition);
        const work = () => replaySome(run, lane, page);
        count += await whileQuiet(run, [lane], { timeoutMs: QUIET_TIMEOUT_MS, work });
      }
    } finally {
      // Also what was replayed before a failure makes room and lets keys go on.
      if (!run.signal.aborted) await resumeKeys(run, partition);
    }
  }
  run.roomMade();
  return count;
}

/** Lanes are looked up when they are needed: one may be replaced by what its target keeps meanwhile. */
function byPartition(keys: readonly HeldKey[]): Map<number, HeldKey[]> {
  return Map.groupBy(keys, (key) => key.partition);
}

async function replaySome(
  run: SinkRun,
  lane: LaneRun,
  entries: readonly HeldEntry[],
): Promise<number> {
  if (entries.length === 0) return 0;
  const rows = entries.map((entry) => rowOfCopy(lane.lane.state.logUid, entry));
  const requestId = replayRequestId(run.sinkUid, rows);
  const outcome = await send(run, lane, { id: requestId, rows });
  const again = (i: number, { reason, why }: { readonly reason: string; readonly why: string }) =>
    holdAgain(run, lane, {
      row: rows[i]!,
      ...{ reason, why, replayed: { copy: entries[i]!.copy, requestId } },
    });
  if (outcome.kind === "fenced" || outcome.kind === "behind")
    throw fail("LOG_UNAVAILABLE", "another node has taken over");
  if (outcome.kind === "pause" || (outcome.kind === "retry" && outcome.scope === "sink")) {
    throw fail("DESTINATION_REFUSED", outcome.why, { metadata: { reason: outcome.reason } });
  }
  if (outcome.kind === "retry") {
    if (entries.length === 1) {
      await again(0, outcome);
      return 0;
    }
    const half = Math.ceil(entries.length / 2);
    const first = await replaySome(run, lane, entries.slice(0, half));
    return first + (await replaySome(run, lane, entries.slice(half)));
  }
  const staged = outcome.outcomes.some(({ kind }) => kind === "staged")
    ? await flushNow(run)
    : new Set<string>();
  const done: HeldEntry[] = [];
  for (const [i, result] of outcome.outcomes.entries()) {
    const isDurable = result.kind === "staged" && staged.has(formatPlace(rows[i]!.place));
    if (result.kind === "delivered" || isDurable) done.push(entries[i]!);
    else if (result.kind === "reject") await again(i, result);
  }
  const bytes = done.reduce((sum, { copy }) => sum + copy.json.byteLength, 0);
  await release(run, lane.lane.state.partition, { keys: done, to: "replayed", bytes });
  return done.length;
}

/** The same for a repeat of the same records. */
function replayRequestId(sinkUid: string, rows: readonly LaneRow[]): string {
  const hash = createHash("sha256").update(rows.map((row) => row.recordId).join());
  return `${sinkUid}-r-${hash.digest("base64url").slice(0, 24)}`;
}

async function send(
  run: SinkRun,
  { lane }: LaneRun,
  { id, rows }: { readonly id: string; readonly rows: readonly LaneRow[] },
): Promise<RequestOutcome> {
  const plan = run.versions.at(Number.POSITIVE_INFINITY);
  const facts = {
    sink: run.owner.definition,
    version: plan.version.version,
    requestId: id,
    number: 1,
    partition: lane.state.partition,
    ranges: rows.map(({ place }) => ({ from: place, to: place })),
    records: rows.length,
    isReplay: true,
  };
  return await noteAttempt(run.sender, facts, () => attempt(run, lane, { id, plan, rows }));
}

async function attempt(
  run: SinkRun,
  lane: Lane,
  { id, plan, rows }: { id: string; plan: VersionPlan; rows: readonly LaneRow[] },
): Promise<RequestOutcome> {
  const { partition, generation } = lane.state;
  try {
    await run.sender.assertOwner();
    const prepared = await plan.transform.prepareReplay(rows, run.signal);
    if (prepared.rows.length === 0) {
      return { kind: "rows", outcomes: prepared.merge([]) as RowOutcome[] };
    }
    const { sink } = await run.sender.destination(plan, partition);
    const request = {
      id,
      partition,
      generation,
      epoch: run.owner.epoch,
      rows: prepared.rows,
      isReplay: true,
    };
    const { attemptTimeoutMs: timeoutMs } = plan;
    const outcome = await attemptWrite(sink, request, { timeoutMs, signal: run.signal });
    if (outcome.kind !== "rows") return outcome;
    return { kind: "rows", outcomes: prepared.merge(outcome.outcomes) as RowOutcome[] };
  } catch (error) {
    return outcomeOfError(error);
  }
}

async function flushNow(run: SinkRun): Promise<Set<string>> {
  const places = await run.gate.flush("close");
  run.flusher.settle(places);
  return new Set(places.map(formatPlace));
}

function holdAgain(run: SinkRun, { lane }: LaneRun, held: HoldInput): Promise<void> {
  const { partition, generation } = lane.state;
  const sinkVersion = run.versions.at(Number.POSITIVE_INFINITY).version.version;
  const facts = { partition, generation, sinkVersion, holdTimeMs: run.now() };
  return run.held.putAgain([held], facts);
}

/** Counts first, then removes the copies: a crash in between is mended when the cursor is read. */
async function release(
  run: SinkRun,
  partition: number,
  { keys, to, bytes }: { keys: readonly HeldKey[]; to: "replayed" | "discarded"; bytes?: number },
): Promise<void> {
  if (keys.length === 0) return;
  const places: Place[] = keys.map((key) => key.place);
  run.lanes.get(partition).lane.releaseHeld(places, to, bytes);
  await run.owner.confirm();
  run.options.at?.("released");
  await run.held.remove(keys);
  const gone = new Set(places.map(formatPlace));
  const { state } = run.lanes.get(partition).lane;
  state.released = state.released.filter((place) => !gone.has(formatPlace(place)));
  run.owner.changed(false);
}

/** Lets parked keys go on of which nothing is held any more. */
async function resumeKeys(run: SinkRun, partition: number): Promise<void> {
  // One that is parked only while the copies are listed may have its copy behind the list.
  const waiting: number[] = [];
  for (const [hash, { isResuming }] of run.lanes.get(partition).lane.state.parked.entries()) {
    if (!isResuming) waiting.push(hash);
  }
  if (waiting.length === 0) return;
  const left = (await run.held.keys()).filter((key) => key.partition === partition);
  const held = new Set(left.map((key) => key.keyHash));
  const resuming = waiting.filter((hash) => !held.has(hash));
  if (resuming.length === 0) return;
  run.lanes.get(partition).lane.unpark(resuming);
  run.rewind();
  run.owner.changed(false);
}
