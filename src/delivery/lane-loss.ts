/** Records of a lane that retention takes before they are settled: which they are, and the lane without them. */
import { type LaneRequest, newRequest } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LaneState } from "./lane-state.ts";
import { comparePlaces, isWithin, laterPlace, type PlaceRange } from "./place.ts";

/** Records that are to expire, by the request that holds them; `undefined` for those in none. */
export type ExpiryTally = Map<LaneRequest | undefined, number>;

/** The parts of a lane that say what is settled. */
export interface LaneParts {
  readonly state: LaneState;
  readonly requests: LaneRequest[];
  readonly replan: readonly PlaceRange[];
}

/** Adds those of these records that are not settled to the tally. */
export function tallyUnsettled(
  { state, requests, replan }: LaneParts,
  rows: readonly LaneRow[],
  tally: ExpiryTally,
): void {
  const add = (request: LaneRequest | undefined) => {
    tally.set(request, (tally.get(request) ?? 0) + 1);
  };
  for (const { place, keyHash } of rows) {
    if (comparePlaces(place, state.next) >= 0) {
      add(undefined);
      continue;
    }
    const request = requests.find(({ ranges }) => isWithin(ranges, place));
    const key = keyHash === undefined ? undefined : state.parked.get(keyHash);
    const isWaiting = key !== undefined && comparePlaces(place, key.first) >= 0;
    if (request) add(request);
    else if (isWaiting || isWithin(replan, place)) add(undefined);
  }
}

/** Books what was tallied below a sequence, and forgets its places; gives the ranges that are still to be planned. */
export function bookExpired(parts: LaneParts, sequence: number, tally: ExpiryTally): PlaceRange[] {
  const { state, requests, replan } = parts;
  const floor = { sequence, index: 0 };
  for (const count of tally.values()) state.counts.expired += count;
  requests.splice(0, requests.length, ...requestsFrom(parts, sequence, tally));
  state.parked.raise(floor);
  state.next = laterPlace(state.next, floor);
  state.revision += 1;
  return rangesFrom(replan, sequence);
}

/** What is left of ranges from a sequence on. */
function rangesFrom(ranges: readonly PlaceRange[], sequence: number): PlaceRange[] {
  return ranges.flatMap(({ from, to }) => {
    if (to.sequence < sequence) return [];
    return [{ from: laterPlace(from, { sequence, index: 0 }), to }];
  });
}

/** Requests without what stands below a sequence: one that is cut becomes another, for its records differ. */
function requestsFrom(
  { state, requests }: LaneParts,
  sequence: number,
  tally: ExpiryTally,
): LaneRequest[] {
  return requests.flatMap((request) => {
    const ranges = rangesFrom(request.ranges, sequence);
    const count = request.count - (tally.get(request) ?? 0);
    if (ranges.length === 0 || count <= 0) return [];
    if (request.ranges[0]!.from.sequence >= sequence) return [request];
    const { version } = request;
    const rest = newRequest({ number: state.nextRequest++, version, ranges, rows: [] });
    return [{ ...rest, count, rows: undefined }];
  });
}
