/** Requests of a lane: planned, sent, halved, stripped of rows. Pure data and functions. */
import type { LaneRow } from "./lane-row.ts";
import type { PlaceRange } from "./place.ts";

/** Where a request stands: `planned` (not yet in the cursor) → `ready` → `sending` → (gone | `staged`). */
export type RequestState = "planned" | "ready" | "sending" | "staged";

/** What the filter leaves out of a request. */
export interface FilteredRows {
  readonly filtered: number;
  readonly filteredBytes: number;
}

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
  /** Whether a cursor write that carries it is under way, or is tried again. */
  isWriting?: boolean;
  /** The earlier request of a key of this one which was found first. */
  waitsFor?: LaneRequest | undefined;
  /** Its keys, once they were needed. */
  keys?: ReadonlySet<number>;
  /** Memory that its rows take, once that was asked. */
  bytes?: number;
  /** While it is under way in a pipelined target, and the next may follow: what the filter leaves out. */
  filteredAhead?: FilteredRows | undefined;
  /** While it is staged: what its rows had, for they are let go. */
  stagedBytes?: number;
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

/** Keys of the records of a request that was read. */
function keysOf(request: LaneRequest): ReadonlySet<number> {
  request.keys ??= new Set(
    (request.rows ?? []).flatMap(({ keyHash }) => (keyHash === undefined ? [] : [keyHash])),
  );
  return request.keys;
}

/** Memory that the rows of a request take, in bytes; 0 while it has none. */
export function bytesOf(request: LaneRequest): number {
  if (!request.rows) return 0;
  request.bytes ??= request.rows.reduce((sum, row) => sum + row.bytes, 0);
  return request.bytes;
}

/**
 * The first of some open requests that has a record of a key of this one: it must be settled before (D2). What
 * was found is remembered, for it is asked again after every answer.
 */
function findAhead(ahead: readonly LaneRequest[], request: LaneRequest): LaneRequest | undefined {
  if (request.waitsFor && ahead.includes(request.waitsFor)) return request.waitsFor;
  const keys = keysOf(request);
  request.waitsFor = ahead.find((other) => isAny(keysOf(other), keys));
  return request.waitsFor;
}

function isAny(some: ReadonlySet<number>, keys: ReadonlySet<number>): boolean {
  for (const key of keys) if (some.has(key)) return true;
  return false;
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
  const ahead: LaneRequest[] = [];
  for (const request of requests) {
    if (room <= 0) break;
    if (request.state === "staged") continue;
    if (!request.rows) break;
    if (request.state === "ready" && !findAhead(ahead, request)) {
      result.push(request);
      room -= 1;
    } else if (concurrency === 1) break;
    ahead.push(request);
  }
  return result;
}

/** Bytes of records as they were pushed. */
export function pushedBytes(rows: readonly LaneRow[] | undefined): number {
  let bytes = 0;
  for (const { json } of rows ?? []) bytes += json.byteLength;
  return bytes;
}
