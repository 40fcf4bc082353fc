/** What came of pushes by every way in, counted in plain numbers. */
import { reasonOf } from "../core/errors.ts";
import type { RecordSet } from "./record-set.ts";

/** Counts since the start. */
export interface PushCounts {
  /** Calls that were stored. */
  stored: number;
  /** Calls that were stored before, under the same idempotency key. */
  duplicate: number;
  /** Records of stored calls. */
  records: number;
  /** Bytes of the bodies of stored calls. */
  bytes: number;
  /** Refused calls by reason: as many as the table of reasons has. */
  readonly refused: Map<string, number>;
}

/** Counts from zero. */
export function createPushCounts(): PushCounts {
  return { stored: 0, duplicate: 0, records: 0, bytes: 0, refused: new Map() };
}

/** Counts a call that has its answer from the log. */
export function countStored(counts: PushCounts, records: RecordSet, isDuplicate: boolean): void {
  if (isDuplicate) {
    counts.duplicate++;
    return;
  }
  counts.stored++;
  counts.records += records.spans.length / 2;
  counts.bytes += records.bytes.length;
}

/** Counts a refused call by the reason of its error. */
export function countRefusal({ refused }: PushCounts, error: unknown): void {
  const reason = reasonOf(error) ?? "INTERNAL";
  refused.set(reason, (refused.get(reason) ?? 0) + 1);
}
