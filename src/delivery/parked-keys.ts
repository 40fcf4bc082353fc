/** Keys whose records wait because one of them is held (`on_record_failure: BLOCK_KEY`). */
import type { Place } from "../sinks/sink.ts";
import { type LaneRequest, lastPlace } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import type { ParkedKey } from "./lane-state.ts";
import { comparePlaces, laterPlace, placeAfter } from "./place.ts";

/** At most so many keys of a sink are parked, for they stand in its cursor; then the sink waits (D5). */
export const PARKED_KEYS_MAX = 10_000;

/** Parked keys by hash. Two keys of one hash only wait longer than they must. */
export type ParkedKeys = Map<number, ParkedKey>;

/** Whether a record must wait. */
export function isParked(keys: ParkedKeys, row: LaneRow): boolean {
  if (keys.size === 0 || row.keyHash === undefined) return false;
  const key = keys.get(row.keyHash);
  return key !== undefined && !key.isResuming;
}

/** Whether a record below `next` waits to be delivered in the pass of resuming keys. */
export function isResuming(keys: ParkedKeys, row: LaneRow): boolean {
  if (keys.size === 0 || row.keyHash === undefined) return false;
  const key = keys.get(row.keyHash);
  return key?.isResuming === true && comparePlaces(row.place, key.first) >= 0;
}

/**
 * Parks the keys of held rows. `waiting` are the records of open requests that are not settled: a key
 * waits from its first one on, else from after `request`.
 */
export function parkKeys(
  keys: ParkedKeys,
  input: { held: readonly LaneRow[]; request: LaneRequest; waiting: Iterable<LaneRow> },
): void {
  const firsts = new Map<number, Place>();
  for (const row of input.held) {
    if (row.keyHash !== undefined) firsts.set(row.keyHash, placeAfter(lastPlace(input.request)));
  }
  for (const row of input.waiting) {
    const first = row.keyHash === undefined ? undefined : firsts.get(row.keyHash);
    if (first && comparePlaces(row.place, first) < 0) firsts.set(row.keyHash!, row.place);
  }
  for (const [hash, first] of firsts) {
    const known = keys.get(hash);
    const isEarlier = known && !known.isResuming && comparePlaces(known.first, first) < 0;
    keys.set(hash, { first: isEarlier ? known.first : first, isResuming: false });
  }
}

/** Says that the records of resuming keys up to `last` are planned. */
export function advanceResuming(keys: ParkedKeys, last: Place): void {
  for (const key of keys.values()) {
    if (key.isResuming) key.first = laterPlace(key.first, placeAfter(last));
  }
}

/** Ends the pass: resuming keys are like any other. Gives whether there were some. */
export function endResuming(keys: ParkedKeys): boolean {
  let isAny = false;
  for (const [hash, key] of keys) {
    if (key.isResuming) isAny = keys.delete(hash);
  }
  return isAny;
}
