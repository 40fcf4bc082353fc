/** A lane with what its waits need. */
import type { Lane } from "./lane.ts";

/** A lane as the worker runs it. */
export interface LaneRun {
  readonly lane: Lane;
  /** Nothing is sent before this time (`now` terms); Infinity until the owner acts. */
  waitUntilMs: number;
  timer: NodeJS.Timeout | undefined;
  /** Whether a replay has the lane for itself. */
  isReserved: boolean;
}

/** A lane that waits for nothing. */
export function createLaneRun(lane: Lane): LaneRun {
  return { lane, waitUntilMs: 0, timer: undefined, isReserved: false };
}

/** Whether a request of the lane is being sent. */
export function isSending(run: LaneRun): boolean {
  return run.lane.requests.some((request) => request.state === "sending");
}
