/** What a cursor remembers of one partition, as plain data, and its form in protobuf. */
import { create } from "@bufbuild/protobuf";
import {
  type LaneCursor,
  LaneCursorSchema,
  type PlaceRange as PlaceRangeMessage,
  type RecordPlace,
} from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { Place } from "../sinks/sink.ts";
import { LanePages } from "./lane-pages.ts";
import { type LaneRequest, pushedBytes } from "./lane-request.ts";
import { unpackKeys } from "./packed-keys.ts";
import { ParkedKeys } from "./parked-keys.ts";
import { comparePlaces, type PlaceRange } from "./place.ts";

/** The ledger of a lane, in records: all that is settled. Every number only grows. */
export interface LaneCounts {
  /** Confirmed in turn, not counting `replayed`. */
  delivered: number;
  filtered: number;
  /** Held at some time: those that are held now, and `discarded`, and `replayed`. */
  held: number;
  discarded: number;
  expired: number;
  replayed: number;
  /** Of the records in `delivered` and `replayed`, as they were pushed; less when such a one is held after all. */
  deliveredBytes: number;
}

/** A request as the cursor knows it. */
export interface PlannedRange {
  readonly number: number;
  readonly version: number;
  readonly ranges: readonly PlaceRange[];
  readonly count: number;
}

/** A LaneCursor without the encoding. */
export interface LaneState {
  readonly logUid: string;
  readonly partition: number;
  generation: number;
  revision: number;
  version: number;
  next: Place;
  nextRequest: number;
  requests: readonly PlannedRange[];
  staged: readonly PlaceRange[];
  parked: ParkedKeys;
  counts: LaneCounts;
  released: readonly Place[];
  /** Records that a replay had refused: their copies are being stored, and they are counted then. */
  refused: readonly Place[];
  lastDeliveredUs: number;
  /** Arrival of the oldest delivered record; 0 for none. */
  firstDeliveredUs: number;
  /** For sinks that keep the cursor: revision that the target is known to hold; 0 when not known. */
  targetRevision: number;
  /** For sinks that stage: rows that imports up to here refused are counted as held. */
  importSequence: number;
}

/** The state of a lane that begins at a sequence. */
export function newLaneState(logUid: string, partition: number, startSequence: number): LaneState {
  return {
    logUid,
    partition,
    generation: 0,
    revision: 0,
    version: 0,
    next: { sequence: startSequence, index: 0 },
    nextRequest: 1,
    requests: [],
    staged: [],
    parked: new ParkedKeys(),
    counts: {
      delivered: 0,
      filtered: 0,
      held: 0,
      discarded: 0,
      expired: 0,
      replayed: 0,
      deliveredBytes: 0,
    },
    released: [],
    refused: [],
    lastDeliveredUs: 0,
    firstDeliveredUs: 0,
    targetRevision: 0,
    importSequence: 0,
  };
}

/** Encodes a lane. */
export function laneToMessage(state: LaneState): LaneCursor {
  const { counts, parked } = state;
  // Before the keys that stand in the cursor itself.
  const keptPages = parked.kept?.refs(parked) ?? [];
  return create(LaneCursorSchema, {
    logUid: state.logUid,
    partition: state.partition,
    generation: state.generation,
    revision: BigInt(state.revision),
    version: BigInt(state.version),
    next: placeToMessage(state.next),
    nextRequest: BigInt(state.nextRequest),
    requests: state.requests.map((request) => ({
      number: BigInt(request.number),
      version: BigInt(request.version),
      ranges: request.ranges.map(rangeToMessage),
      count: request.count,
    })),
    staged: state.staged.map(rangeToMessage),
    parkedPacked: parked.packed,
    keptPages: keptPages.map(({ page, gone }) => ({ page: BigInt(page), gone })),
    resumed: placeToMessage(parked.resumed),
    counts: {
      delivered: BigInt(counts.delivered),
      filtered: BigInt(counts.filtered),
      held: BigInt(counts.held),
      discarded: BigInt(counts.discarded),
      expired: BigInt(counts.expired),
      replayed: BigInt(counts.replayed),
      deliveredBytes: BigInt(counts.deliveredBytes),
    },
    released: state.released.map(placeToMessage),
    refused: state.refused.map(placeToMessage),
    lastDeliveredUs: BigInt(state.lastDeliveredUs),
    firstDeliveredUs: BigInt(state.firstDeliveredUs),
    targetRevision: BigInt(state.targetRevision),
    importSequence: BigInt(state.importSequence),
  });
}

/** Decodes a lane. */
export function laneFromMessage(message: LaneCursor): LaneState {
  const counts = message.counts;
  return {
    logUid: message.logUid,
    partition: message.partition,
    generation: message.generation,
    revision: Number(message.revision),
    version: Number(message.version),
    next: placeFromMessage(message.next),
    nextRequest: Number(message.nextRequest),
    requests: message.requests.map((request) => ({
      number: Number(request.number),
      version: Number(request.version),
      ranges: request.ranges.map(rangeFromMessage),
      count: request.count,
    })),
    staged: message.staged.map(rangeFromMessage),
    parked: parkedOf(message),
    counts: {
      delivered: Number(counts?.delivered ?? 0n),
      filtered: Number(counts?.filtered ?? 0n),
      held: Number(counts?.held ?? 0n),
      discarded: Number(counts?.discarded ?? 0n),
      expired: Number(counts?.expired ?? 0n),
      replayed: Number(counts?.replayed ?? 0n),
      deliveredBytes: Number(counts?.deliveredBytes ?? 0n),
    },
    released: message.released.map(placeFromMessage),
    refused: message.refused.map(placeFromMessage),
    lastDeliveredUs: Number(message.lastDeliveredUs),
    firstDeliveredUs: Number(message.firstDeliveredUs),
    targetRevision: Number(message.targetRevision),
    importSequence: Number(message.importSequence),
  };
}

function parkedOf({ parked, parkedPacked, resumed, keptPages }: LaneCursor): ParkedKeys {
  const keys = new ParkedKeys();
  if (keptPages.length > 0) {
    keys.kept = new LanePages(keptPages.map(({ page, gone }) => ({ page: Number(page), gone })));
  }
  for (const [hash, key] of unpackKeys(parkedPacked)) keys.set(hash, key);
  for (const { keyHash, first, isResuming } of parked) {
    keys.set(keyHash, { first: placeFromMessage(first), isResuming });
  }
  keys.resumed = placeFromMessage(resumed);
  return keys;
}

/** A place in protobuf. */
export function placeToMessage(place: Place) {
  return { sequence: BigInt(place.sequence), index: place.index };
}

/** A place from protobuf; a missing one is the very first. */
export function placeFromMessage(place: RecordPlace | undefined): Place {
  return { sequence: Number(place?.sequence ?? 0n), index: place?.index ?? 0 };
}

function rangeToMessage(range: PlaceRange) {
  return {
    fromSequence: BigInt(range.from.sequence),
    fromIndex: range.from.index,
    toSequence: BigInt(range.to.sequence),
    toIndex: range.to.index,
  };
}

function rangeFromMessage(range: PlaceRangeMessage): PlaceRange {
  return {
    from: { sequence: Number(range.fromSequence), index: range.fromIndex },
    to: { sequence: Number(range.toSequence), index: range.toIndex },
  };
}

/** Counts rows that the destination took. */
export function countDelivered(
  state: LaneState,
  rows: readonly { readonly arrivalTimeUs: number; readonly jsonBytes: number }[],
): void {
  state.counts.delivered += rows.length;
  for (const { arrivalTimeUs, jsonBytes } of rows) {
    state.counts.deliveredBytes += jsonBytes;
    state.lastDeliveredUs = Math.max(state.lastDeliveredUs, arrivalTimeUs);
  }
  state.firstDeliveredUs ||= rows[0]?.arrivalTimeUs ?? 0;
}

/** Records of a lane that are settled. */
export function settledCount({ counts }: LaneState): number {
  return counts.delivered + counts.filtered + counts.held + counts.expired;
}

/** The lowest place of a lane that is not settled: where reading must begin after a crash. */
export function lowestPlace(state: LaneState): Place {
  let lowest = state.next;
  const lower = (place: Place) => {
    if (
      place.sequence < lowest.sequence ||
      (place.sequence === lowest.sequence && place.index < lowest.index)
    ) {
      lowest = place;
    }
  };
  for (const request of state.requests) lower(request.ranges[0]!.from);
  for (const range of state.staged) lower(range.from);
  if (state.parked.lowest) lower(state.parked.lowest);
  return lowest;
}

/** A request as if it were delivered, and what of its records the filter leaves out. */
export interface DoneRequest {
  readonly request: LaneRequest;
  readonly filtered: number;
  readonly filteredBytes: number;
}

/** A lane's state with its open requests, but for those that are `done`. */
export function stateWith(
  state: LaneState,
  open: {
    readonly requests: readonly LaneRequest[];
    readonly replan: readonly PlaceRange[];
    readonly done: readonly DoneRequest[];
  },
): LaneState {
  const done = new Set(open.done.map(({ request }) => request));
  const staged: PlaceRange[] = [...open.replan];
  const requests: PlannedRange[] = [];
  for (const request of open.requests) {
    if (done.has(request)) continue;
    if (request.state === "staged") staged.push(...request.ranges);
    else requests.push(request);
  }
  staged.sort((a, b) => comparePlaces(a.from, b.from));
  const counts = { ...state.counts };
  let { firstDeliveredUs } = state;
  for (const { request, filtered, filteredBytes } of open.done) {
    counts.delivered += request.count - filtered;
    counts.filtered += filtered;
    counts.deliveredBytes += pushedBytes(request.rows) - filteredBytes;
    if (request.count > filtered) firstDeliveredUs ||= request.rows?.[0]?.arrivalTimeUs ?? 0;
  }
  return {
    ...state,
    counts,
    firstDeliveredUs,
    requests,
    staged,
    revision: state.revision + open.done.length,
    version: open.done.at(-1)?.request.version ?? state.version,
  };
}
