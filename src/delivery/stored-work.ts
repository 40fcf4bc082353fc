/** What a stored state of a sink leaves to be done. */
import { Sink_State, Sink_WhenFull } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogInfo } from "../core/log.ts";
import { lowestPlace } from "./lane-state.ts";
import type { SinkState } from "./sink-state.ts";

/** First sequence of a stored state that may not be settled, parked records aside. */
export function settledBelow(state: SinkState): number {
  return Math.min(state.position, ...state.lanes.map((lane) => lane.next.sequence));
}

/**
 * Whether a stored state has requests, or keys that wait: a crash may have come after the copies they wait for
 * were removed, and before they went on.
 */
export function hasWork(state: SinkState): boolean {
  return state.lanes.some(
    (lane) =>
      lane.requests.length > 0 ||
      lane.staged.length > 0 ||
      lane.released.length > 0 ||
      lane.refused.length > 0 ||
      lane.parked.size > 0,
  );
}

/** First sequence that a stored state needs, parked records included. */
export function lowestNeeded(state: SinkState): number {
  return Math.min(state.position, ...state.lanes.map((lane) => lowestPlace(lane).sequence));
}

/** No record above this sequence was counted, planned or delivered by a stored state. */
export function reached(state: SinkState): number {
  const lanes = state.lanes.map((lane) => lane.next.sequence - 1);
  return Math.max(state.position - 1, state.countedSequence, ...lanes);
}

/**
 * Why a log is not the one that a stored state means; undefined when it is. One that ends below what the
 * state has reached has lost its end, as nats-server cuts off what it cannot read: its next sequences are other
 * records, and would be passed over or sent as those of old requests.
 */
export function faultOfLog(state: SinkState, info: LogInfo): string | undefined {
  const advice = "Delete this sink and make it again to deliver the log that is there now.";
  if (state.logIdentity !== "" && info.identity !== "" && state.logIdentity !== info.identity) {
    return `the log was made anew at ${info.identity}; this sink delivered that of ${state.logIdentity}. ${advice}`;
  }
  if (reached(state) <= info.shardLastSequence) return undefined;
  return (
    `the log ends at sequence ${info.shardLastSequence}, before sequence ${reached(state)} that this sink ` +
    `has reached: records are missing, or it is not the log that was delivered. ${advice}`
  );
}

/** Whether retention may take what a sink has not delivered: it is stopped, and says so. */
export function isStopped(sink: SinkDefinition, state: Sink_State | undefined): boolean {
  const whenFull = sink.versions.at(-1)?.sink.whenFull;
  if (whenFull === Sink_WhenFull.BLOCK_PUSHES || whenFull === Sink_WhenFull.SPILL) return false;
  return sink.isPaused || state === Sink_State.ERROR;
}

/** What becomes of records that a sink has not settled when somebody is about to take them. */
export interface UnsettledFate {
  /**
   * When retention takes them from the log: they must stay (`needed`), the sink reads them from the archive
   * (`kept`), or it has lost them (`lost`).
   */
  readonly inLog: "needed" | "kept" | "lost";
  /** When the archive deletes them: they must stay, as long as the archive is read instead of the log, or not. */
  readonly isNeededInArchive: boolean;
}

/** The fate of what a sink has not settled; `isKept` when the archive takes all records of its log. */
export function unsettledFate(
  sink: SinkDefinition,
  state: Sink_State | undefined,
  isKept: boolean,
): UnsettledFate {
  const isNeeded = !isStopped(sink, state);
  // What the archive has is not lost, whoever reads it, until the archive deletes it.
  if (isKept) return { inLog: "kept", isNeededInArchive: isNeeded };
  return { inLog: isNeeded ? "needed" : "lost", isNeededInArchive: false };
}
