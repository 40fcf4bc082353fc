/** What a replay is to deliver, and what it has come to: plain data that tasks keep as JSON. */
import type { RecordPlace as Place } from "./record-id.ts";

/** What is replayed. */
export interface ReplayJob {
  /** Uid of the replay. */
  readonly uid: string;
  readonly sinkUid: string;
  readonly log: { readonly shard: number; readonly uid: string };
  readonly first: number;
  /** Last sequence, included. */
  readonly last: number;
  /** Places, ascending, when only some records of the range are wanted. */
  readonly places?: readonly Place[] | undefined;
  /** An encoded Filter in base64; not set for all. */
  readonly filter?: string | undefined;
}

/** A record that could not be delivered again. */
export interface ReplayRefusal {
  readonly recordId: string;
  readonly place: Place;
  readonly reason: string;
  readonly why: string;
}

/** How far a replay is. */
export interface ReplayProgress {
  /** Every record below is done. */
  readonly next: Place;
  readonly delivered: number;
  readonly filtered: number;
  readonly refused: number;
  /** The first refused records. */
  readonly refusals: readonly ReplayRefusal[];
  /** Why it waits; empty when it does not. */
  readonly waiting: string;
}

/** Refused records that are kept to be shown. */
export const REFUSALS_MAX = 20;

/** Where a replay begins. */
export function newProgress({ first }: ReplayJob): ReplayProgress {
  return {
    next: { sequence: first, index: 0 },
    delivered: 0,
    filtered: 0,
    refused: 0,
    refusals: [],
    waiting: "",
  };
}

/** Records that are done. */
export function doneCount({ delivered, filtered, refused }: ReplayProgress): number {
  return delivered + filtered + refused;
}

/** What became of the records of a request. */
export interface ReplayOutcome {
  readonly delivered: number;
  readonly filtered: number;
  readonly refusals: readonly ReplayRefusal[];
}

/** Counts once a request is done. */
export function advance(progress: ReplayProgress, outcome: ReplayOutcome): ReplayProgress {
  const { delivered, filtered, refusals } = outcome;
  return {
    ...progress,
    delivered: progress.delivered + delivered,
    filtered: progress.filtered + filtered,
    refused: progress.refused + refusals.length,
    refusals: [...progress.refusals, ...refusals].slice(0, REFUSALS_MAX),
  };
}
