/** Replay and discard of held records, by the owner of the sink. */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fail } from "../core/errors.ts";
import type { Place, RequestOutcome } from "../sinks/sink.ts";
import { attemptWrite, outcomeOfError } from "./destinations.ts";
import { type HeldEntry, rowOfCopy } from "./held-store.ts";
import type { LaneRow } from "./lane-row.ts";
import { isSending, type LaneRun } from "./lane-run.ts";
import { comparePlaces, formatPlace } from "./place.ts";
import type { SinkRun } from "./sink-run.ts";

const QUIET_TIMEOUT_MS = 10_000;
const REPLAY_COUNT_MAX = 100;

/** Gives held records up; the number of them. */
export async function discardHeld(run: SinkRun, entries: readonly HeldEntry[]): Promise<number> {
  for (const [lane, some] of byLane(run, entries)) {
    await release(run, lane, { entries: some, to: "discarded" });
  }
  return entries.length;
}

/**
 * Delivers held records again, in order, between the requests of their lane; those that fail are held
 * again. Gives the number delivered. Fails with DESTINATION_REFUSED when the destination takes nothing.
 */
export async function replayHeld(run: SinkRun, entries: readonly HeldEntry[]): Promise<number> {
  let count = 0;
  for (const [lane, some] of byLane(run, entries)) {
    lane.isReserved = true;
    try {
      await becomeQuiet(run, lane);
      const ordered = [...some].sort((a, b) => comparePlaces(a.place, b.place));
      for (let at = 0; at < ordered.length; at += REPLAY_COUNT_MAX) {
        count += await replaySome(run, lane, ordered.slice(at, at + REPLAY_COUNT_MAX));
      }
    } finally {
      lane.isReserved = false;
      run.schedule();
    }
  }
  return count;
}

function byLane(run: SinkRun, entries: readonly HeldEntry[]): Map<LaneRun, HeldEntry[]> {
  const lanes = new Map<LaneRun, HeldEntry[]>();
  for (const entry of entries) {
    const lane = run.lanes.get(entry.partition);
    lanes.set(lane, [...(lanes.get(lane) ?? []), entry]);
  }
  return lanes;
}

async function becomeQuiet(run: SinkRun, lane: LaneRun): Promise<void> {
  const endMs = performance.now() + QUIET_TIMEOUT_MS;
  while (isSending(lane)) {
    if (performance.now() > endMs) throw fail("OVERLOADED", "the sink is busy: try again");
    await delay(5, undefined, { signal: run.signal });
  }
}

async function replaySome(
  run: SinkRun,
  lane: LaneRun,
  entries: readonly HeldEntry[],
): Promise<number> {
  const rows = entries.map((entry) => rowOfCopy(lane.lane.state.logUid, entry));
  const outcome = await send(run, lane, rows);
  if (outcome.kind === "fenced") throw fail("LOG_UNAVAILABLE", "another node has taken over");
  if (outcome.kind === "pause" || (outcome.kind === "retry" && outcome.scope === "sink")) {
    throw fail("DESTINATION_REFUSED", outcome.why, { metadata: { reason: outcome.reason } });
  }
  if (outcome.kind === "retry") {
    if (entries.length === 1) {
      await holdAgain(run, lane, { row: rows[0]!, ...outcome });
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
    else if (result.kind === "reject") await holdAgain(run, lane, { row: rows[i]!, ...result });
  }
  await release(run, lane, { entries: done, to: "replayed" });
  return done.length;
}

async function send(
  run: SinkRun,
  { lane }: LaneRun,
  rows: readonly LaneRow[],
): Promise<RequestOutcome> {
  const plan = run.versions.at(Number.POSITIVE_INFINITY);
  const hash = createHash("sha256").update(rows.map((row) => row.recordId).join());
  const { partition, generation } = lane.state;
  try {
    await run.assertOwner();
    const { sink } = await run.destination(plan, partition);
    const request = {
      id: `${run.sinkUid}-r-${hash.digest("base64url").slice(0, 24)}`,
      partition,
      generation,
      epoch: run.epoch(),
      rows,
      isReplay: true,
    };
    const { attemptTimeoutMs: timeoutMs } = plan;
    return await attemptWrite(sink, request, { timeoutMs, signal: run.signal });
  } catch (error) {
    return outcomeOfError(error);
  }
}

async function flushNow(run: SinkRun): Promise<Set<string>> {
  const places = await run.gate.flush("close");
  run.settleStaged(places);
  return new Set(places.map(formatPlace));
}

function holdAgain(
  run: SinkRun,
  { lane }: LaneRun,
  { row, reason, why }: { row: LaneRow; reason: string; why: string },
): Promise<void> {
  const { partition, generation } = lane.state;
  const sinkVersion = run.versions.at(Number.POSITIVE_INFINITY).version.version;
  const facts = { partition, generation, sinkVersion, holdTimeMs: run.now() };
  return run.held.put(run.sinkUid, [{ row, reason, why }], facts);
}

/** Counts first, then removes the copies: a crash in between is mended when the cursor is read. */
async function release(
  run: SinkRun,
  { lane }: LaneRun,
  { entries, to }: { entries: readonly HeldEntry[]; to: "replayed" | "discarded" },
): Promise<void> {
  if (entries.length === 0) return;
  const places: Place[] = entries.map((entry) => entry.place);
  lane.releaseHeld(places, to);
  await run.owner.confirm();
  await run.held.remove(run.sinkUid, places);
  const left = await run.held.list(run.sinkUid);
  lane.state.released = lane.state.released.filter((place) => !places.includes(place));
  const keys = new Set(entries.filter((e) => e.copy.hasKey).map((e) => e.copy.keyHash));
  for (const entry of left) {
    if (entry.partition === lane.state.partition) keys.delete(entry.copy.keyHash);
  }
  const parked = [...keys].filter((hash) => lane.state.parked.has(hash));
  if (parked.length > 0) {
    lane.unpark(parked);
    if (!run.owner.definition.isPaused) run.rewind();
  }
  run.changed(false);
}
