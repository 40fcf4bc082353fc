/** Everything that is remembered of a sink, and its bytes: tributary.delivery.v1.SinkCursor. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LaneCursorSchema, SinkCursorSchema } from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { KeptPages } from "./kept-pages.ts";
import { type LaneState, laneFromMessage, laneToMessage } from "./lane-state.ts";
import { ParkedPages } from "./parked-pages.ts";

/** What a sink is doing. */
export interface StateNote {
  readonly state: Sink_State;
  readonly cause: string;
  readonly reason: string;
  readonly sinceMs: number;
  /** 0 for none. */
  readonly nextAttemptMs: number;
  /** Value of SinkDefinition.restarts that this state has heard of. */
  readonly restarts: number;
}

/** When a log was restored from a backup. */
export interface RestorePoint {
  readonly sequence: number;
  readonly epoch: number;
}

/** A SinkCursor without the encoding. */
export interface SinkState {
  readonly logUid: string;
  /** When the shard that holds the log was made; empty when not known. */
  readonly logIdentity: string;
  readonly epoch: number;
  readonly owner: string;
  /** First sequence that is not read: partitions without a lane are settled below it. */
  readonly position: number;
  /** First sequence that the sink does not deliver; 0 for none. */
  readonly endSequence: number;
  /** Where the log ended when it was restored from a backup, and the first epoch after that. */
  readonly restored?: RestorePoint | undefined;
  readonly countedSequence: number;
  readonly pushed: number;
  readonly lanes: readonly LaneState[];
  /** Where those of the lanes' parked keys are that do not stand in the cursor itself. */
  readonly pages: ParkedPages;
  /** The same where the target keeps the cursor. */
  readonly keptPages: KeptPages;
  readonly note: StateNote | undefined;
  /** Arrival of the oldest record that waits; 0 when none does. */
  readonly oldestArrivalUs: number;
}

/** Key of a sink's cursor. */
export function cursorKey(sinkUid: string): string {
  return `cursor.${sinkUid}`;
}

/** Encodes the state of a sink. */
export function encodeSinkState(state: SinkState): Uint8Array {
  const { note } = state;
  const pages = state.pages.list;
  return toBinary(
    SinkCursorSchema,
    create(SinkCursorSchema, {
      logUid: state.logUid,
      logIdentity: state.logIdentity,
      epoch: BigInt(state.epoch),
      owner: state.owner,
      position: BigInt(state.position),
      endSequence: BigInt(state.endSequence),
      restoredSequence: BigInt(state.restored?.sequence ?? 0),
      restoredEpoch: BigInt(state.restored?.epoch ?? 0),
      countedSequence: BigInt(state.countedSequence),
      pushed: BigInt(state.pushed),
      lanes: state.lanes.map(laneToMessage),
      parkedPages: [...pages.numbers],
      parkedNextPage: pages.next,
      parkedRevision: BigInt(pages.revision),
      retiredPages: state.keptPages.retiredCount,
      oldestArrivalUs: BigInt(state.oldestArrivalUs),
      ...(note && {
        state: {
          state: note.state,
          cause: note.cause,
          reason: note.reason,
          sinceMs: BigInt(Math.round(note.sinceMs)),
          nextAttemptMs: BigInt(Math.round(note.nextAttemptMs)),
          restarts: BigInt(note.restarts),
        },
      }),
    }),
  );
}

/** Decodes the state of a sink, without the parked keys of its pages: those are to be loaded. */
export function decodeSinkState(bytes: Uint8Array): SinkState {
  const cursor = fromBinary(SinkCursorSchema, bytes);
  const note = cursor.state;
  return {
    logUid: cursor.logUid,
    logIdentity: cursor.logIdentity,
    epoch: Number(cursor.epoch),
    owner: cursor.owner,
    position: Number(cursor.position),
    endSequence: Number(cursor.endSequence),
    ...(cursor.restoredEpoch > 0n && {
      restored: {
        sequence: Number(cursor.restoredSequence),
        epoch: Number(cursor.restoredEpoch),
      },
    }),
    countedSequence: Number(cursor.countedSequence),
    pushed: Number(cursor.pushed),
    lanes: cursor.lanes.map(laneFromMessage),
    pages: new ParkedPages({
      numbers: cursor.parkedPages,
      next: Math.max(1, cursor.parkedNextPage),
      revision: Number(cursor.parkedRevision),
    }),
    keptPages: new KeptPages(cursor.retiredPages),
    oldestArrivalUs: Number(cursor.oldestArrivalUs),
    note: note && {
      state: note.state,
      cause: note.cause,
      reason: note.reason,
      sinceMs: Number(note.sinceMs),
      nextAttemptMs: Number(note.nextAttemptMs),
      restarts: Number(note.restarts),
    },
  };
}

/** Encodes a lane alone, for sinks that keep the cursor in their target. */
export function encodeLane(lane: LaneState): Uint8Array {
  return toBinary(LaneCursorSchema, laneToMessage(lane));
}

/** Decodes a lane that a target kept. */
export function decodeLane(bytes: Uint8Array): LaneState {
  return laneFromMessage(fromBinary(LaneCursorSchema, bytes));
}
