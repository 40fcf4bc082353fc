/** Where lanes go on: from the cursor that the target keeps, or from ours. */
import { reasonOf } from "../core/errors.ts";
import type { LogReader } from "../core/log.ts";
import type { KeptCursor, RejectedPlace } from "../sinks/sink.ts";
import { SinkFault } from "../sinks/sink-fault.ts";
import type { HeldQuota } from "./held-quota.ts";
import { decodeRows } from "./lane-row.ts";
import type { LaneCounts, LaneState } from "./lane-state.ts";
import { formatPlace, placeAfter } from "./place.ts";
import { decodeLane, type RestorePoint } from "./sink-state.ts";

/** What resuming a partition needs. */
export interface ResumeInput {
  readonly log: { readonly shard: number; readonly uid: string };
  readonly reader: LogReader;
  readonly held: HeldQuota;
  readonly isKeyBlocked: boolean;
  readonly nowMs: number;
  /** Revision that this process last saw committed in the target; undefined when it wrote none yet. */
  readonly committed: number | undefined;
  /** When the log was restored from a backup; undefined when it never was. */
  readonly restored: RestorePoint | undefined;
  /** Reads the parked keys that a lane leaves to pages. Fails with LOG_CORRUPT when one is missing. */
  readonly loadPages: (lane: LaneState) => Promise<void>;
}

/**
 * Where a lane goes on after its partition was claimed in the target. `state` is `ours` itself when
 * nothing is to be changed; `committed` is the revision that the target holds.
 */
export async function resumeLane(
  ours: LaneState,
  kept: KeptCursor | undefined,
  input: ResumeInput,
): Promise<{ readonly state: LaneState; readonly committed: number }> {
  if (!kept) return { state: ours, committed: -1 };
  const committed = decodeLane(kept.cursor).revision;
  if (committed === input.committed || isSame(ours, committed)) return { state: ours, committed };
  refuseAhead(kept, input.restored);
  const state = mergeLane(ours, kept);
  if (state !== ours) {
    await loadKeys(state, input);
    await holdRejects(state, kept.rejects, input);
    boundReleased(state.counts);
  }
  return { state, committed };
}

/** The parked keys of a cursor that the target kept, and that another owner or an earlier time may have written. */
async function loadKeys(lane: LaneState, { loadPages }: ResumeInput): Promise<void> {
  try {
    await loadPages(lane);
  } catch (error) {
    if (reasonOf(error) !== "LOG_CORRUPT") throw error;
    throw new SinkFault(
      "LOG_BEHIND",
      `the destination was restored as of sequence ${lane.next.sequence - 1}, and which keys waited for held ` +
        "records then is not known any more, for retention has passed it. Make a new sink to go on.",
      { cause: error },
    );
  }
}

/** A target that was restored may know less of what was held than we know of what came of it. */
function boundReleased(counts: LaneCounts): void {
  counts.replayed = Math.min(counts.replayed, counts.held);
  counts.discarded = Math.min(counts.discarded, counts.held - counts.replayed);
}

/**
 * A log that was restored from a backup gives sequences again to what is pushed next; a target that has
 * records of those sequences from before would pass the new ones over.
 */
function refuseAhead({ cursor, epoch }: KeptCursor, restored: RestorePoint | undefined): void {
  if (!restored || epoch >= restored.epoch) return;
  const { next } = decodeLane(cursor);
  if (next.sequence <= restored.sequence + 1) return;
  const range = `sequences ${restored.sequence + 1} to ${next.sequence - 1}`;
  throw new SinkFault(
    "LOG_BEHIND",
    `the log was restored as of sequence ${restored.sequence}, and the destination holds records up to ` +
      `sequence ${next.sequence - 1} of before: ${range} are others now. Make a new sink to go on.`,
  );
}

/** Whether our copy was written when the target held this already: then it knows all that followed. */
function isSame(ours: LaneState, committed: number): boolean {
  return ours.targetRevision > 0 && ours.targetRevision === committed;
}

/**
 * The state of a lane from what the target keeps and our copy. The target knows best what it holds
 * (also when it was restored from a backup). Our copy is used when it knows of the same requests: then
 * it also knows what was held, parked and discarded since.
 */
function mergeLane(ours: LaneState, kept: KeptCursor): LaneState {
  const theirs = decodeLane(kept.cursor);
  if (theirs.logUid !== ours.logUid) return ours;
  // One that is open for us and not for them was delivered, and we had not heard of it.
  const open = new Set(theirs.requests.map(({ number }) => number));
  const isHeard = ours.requests.every(({ number }) => open.has(number));
  const isNewer = ours.nextRequest === theirs.nextRequest && ours.revision >= theirs.revision;
  if (isNewer && isHeard) return ours;
  const replayed = Math.max(ours.counts.replayed, theirs.counts.replayed);
  const discarded = Math.max(ours.counts.discarded, theirs.counts.discarded);
  return {
    ...theirs,
    counts: { ...theirs.counts, replayed, discarded },
    released: ours.released,
    refused: ours.refused,
  };
}

/**
 * Holds the rows that the last request of a kept cursor had refused: the crash may have come before
 * they were held. Their copies are stored again, unless they were replayed or discarded since.
 */
async function holdRejects(
  lane: LaneState,
  rejects: readonly RejectedPlace[],
  input: ResumeInput,
): Promise<void> {
  const released = new Set(lane.released.map(formatPlace));
  for (const { place, reason, why } of rejects) {
    const [message] = await input.reader.read(input.log, {
      fromSequence: place.sequence,
      maxMessages: 1,
      maxBytes: 1,
    });
    const row = message?.sequence === place.sequence ? decodeRows(message)[place.index] : undefined;
    lane.counts.delivered -= 1;
    lane.counts.deliveredBytes -= row?.json.byteLength ?? 0;
    // A record that is gone is missing in the ledger from now on, and the sink will say so.
    if (!row) continue;
    lane.counts.held += 1;
    if (!released.has(formatPlace(place))) {
      await input.held.putAgain([{ row, reason, why }], {
        partition: lane.partition,
        generation: lane.generation,
        sinkVersion: lane.version,
        holdTimeMs: input.nowMs,
      });
    }
    if (input.isKeyBlocked && row.keyHash !== undefined && !lane.parked.has(row.keyHash)) {
      lane.parked.set(row.keyHash, { first: placeAfter(place), isResuming: false });
    }
  }
}
