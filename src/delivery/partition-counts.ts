/** The ledger of a sink by partition. */
import type { Place } from "../sinks/sink.ts";
import type { SinkState } from "./sink-state.ts";

/** Counts of one partition, up to its cursor. */
export interface PartitionCounts {
  readonly partition: number;
  readonly generation: number;
  /** Everything below is settled or stands in an open request. */
  readonly next: Place;
  /** Replays included. */
  readonly delivered: number;
  readonly filtered: number;
  /** Held now. */
  readonly held: number;
  readonly discarded: number;
  readonly expired: number;
  readonly parkedKeys: number;
}

/** The counts of every partition that had a record, ascending. */
export function partitionCounts(state: SinkState | undefined): PartitionCounts[] {
  const lanes = [...(state?.lanes ?? [])].sort((a, b) => a.partition - b.partition);
  return lanes.map(({ partition, generation, next, counts, parked }) => ({
    ...{ partition, generation, next },
    delivered: counts.delivered + counts.replayed,
    filtered: counts.filtered,
    held: Math.max(0, counts.held - counts.replayed - counts.discarded),
    discarded: counts.discarded,
    expired: counts.expired,
    parkedKeys: parked.size,
  }));
}
