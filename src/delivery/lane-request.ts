/** Requests of a lane: planned, sent, halved, stripped of rows. Pure data and functions. */
import type { LaneRow } from "./lane-row.ts";
import type { PlaceRange } from "./place.ts";

/** Where a request stands: `planned` (not yet in the cursor) → `ready` → `sending` → (gone | `staged`). */
export type RequestState = "planned" | "ready" | "sending" | "staged";

/** One request of a lane. */
export interface LaneRequest {
  /** Part of its id; a repeat keeps it. */
  readonly number: number;
  /** Version of the sink that handles it. */
  readonly version: number;
  readonly ranges: readonly PlaceRange[];
  /** Number of its records. */
  count: number;
  /** Its records; undefined until they are read (again). */
  rows: readonly LaneRow[] | undefined;
  state: RequestState;
  /** Failed attempts that count. */
  attempts: number;
  /** How often it failed in a row, also when the failure burned no attempt. */
  failures: number;
  /** While it is under way in a pipelined target, and the next may follow: how many the filter leaves out. */
  filteredAhead?: number | undefined;
  /** Revision of the lane in the cursor that went with it, for targets that keep the cursor. */
  cursorRevision?: number | undefined;
}

/** A request that no cursor knows yet. */
export function newRequest(
  fields: Pick<LaneRequest, "number" | "version" | "ranges"> & { rows: readonly LaneRow[] },
): LaneRequest {
  return { ...fields, count: fields.rows.length, state: "planned", attempts: 0, failures: 0 };
}

/**
 * Ranges that hold exactly these rows; `isJoined(i)` says that no other record of the lane stands
 * between rows i − 1 and i.
 */
export function rangesOf(
  rows: readonly LaneRow[],
  isJoined: (index: number) => boolean,
): PlaceRange[] {
  const ranges: PlaceRange[] = [];
  let first = 0;
  for (let i = 1; i <= rows.length; i++) {
    if (i < rows.length && isJoined(i)) continue;
    ranges.push({ from: rows[first]!.place, to: rows[i - 1]!.place });
    first = i;
  }
  return ranges;
}

/** The rows of a request that satisfy `keep`, with the ranges that hold exactly them. */
export function keepRows(
  request: LaneRequest,
  keep: (row: LaneRow, index: number) => boolean,
): { rows: LaneRow[]; ranges: PlaceRange[] } {
  const rows: LaneRow[] = [];
  const indexes: number[] = [];
  (request.rows ?? []).forEach((row, index) => {
    if (!keep(row, index)) return;
    rows.push(row);
    indexes.push(index);
  });
  const starts = new Set(request.ranges.map((range) => placeKey(range.from)));
  const isJoined = (i: number) =>
    indexes[i] === indexes[i - 1]! + 1 && !starts.has(placeKey(rows[i]!.place));
  return { rows, ranges: rangesOf(rows, isJoined) };
}

/** Whether two requests hold records of one key: then the earlier must be settled first (D2). */
export function sharesKey(request: LaneRequest, keys: ReadonlySet<number>): boolean {
  if (!request.rows) return true;
  for (const row of request.rows) {
    if (row.keyHash !== undefined && keys.has(row.keyHash)) return true;
  }
  return false;
}

/** Adds the keys of a request to a set. */
export function addKeys(request: LaneRequest, keys: Set<number>): void {
  for (const row of request.rows ?? []) if (row.keyHash !== undefined) keys.add(row.keyHash);
}

/** The place of the last record of a request. */
export function lastPlace(request: LaneRequest) {
  return request.ranges.at(-1)!.to;
}

function placeKey(place: { sequence: number; index: number }): string {
  return `${place.sequence}-${place.index}`;
}

/** Requests of a lane that may be sent now, in order: no key of theirs is in an earlier open one (D2). */
export function sendableOf(requests: readonly LaneRequest[], concurrency: number): LaneRequest[] {
  let room = concurrency - requests.filter((r) => r.state === "sending").length;
  const result: LaneRequest[] = [];
  const keys = new Set<number>();
  for (const request of requests) {
    if (room <= 0) break;
    if (request.state === "staged") continue;
    if (!request.rows) break;
    if (request.state === "ready" && !sharesKey(request, keys)) {
      result.push(request);
      room -= 1;
    } else if (concurrency === 1) break;
    if (room > 0) addKeys(request, keys);
  }
  return result;
}
