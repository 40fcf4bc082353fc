/** What a stored state of a sink leaves to be done. */
import { lowestPlace } from "./lane-state.ts";
import type { SinkState } from "./sink-state.ts";

/** First sequence of a stored state that may not be settled, parked records aside. */
export function settledBelow(state: SinkState): number {
  return Math.min(state.position, ...state.lanes.map((lane) => lane.next.sequence));
}

/** Whether a stored state has requests or resuming keys. */
export function hasWork(state: SinkState): boolean {
  return state.lanes.some(
    (lane) =>
      lane.requests.length > 0 ||
      lane.staged.length > 0 ||
      lane.released.length > 0 ||
      [...lane.parked.values()].some((key) => key.isResuming),
  );
}

/** First sequence that a stored state needs, parked records included. */
export function lowestNeeded(state: SinkState): number {
  return Math.min(state.position, ...state.lanes.map((lane) => lowestPlace(lane).sequence));
}
