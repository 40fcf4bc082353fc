/** Replays as tasks keep them, and as callers see them. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Replay,
  ReplayRefusalSchema,
  ReplaySchema,
  type ReplaySelection,
  ReplaySelectionSchema,
} from "#gen/tributary/management/v1/replay_pb.js";
import { newProgress, type ReplayJob, type ReplayProgress } from "../core/replay-job.ts";
import type { TaskRow } from "./task-store.ts";

/** What the task of a replay keeps as its input. */
export interface ReplayInput {
  readonly job: ReplayJob;
  /** Name of the sink. */
  readonly sink: string;
  readonly author: string;
  /** An encoded ReplaySelection in base64. */
  readonly selection: string;
  readonly count: number;
  readonly isExact: boolean;
}

/** The input of a task of kind REPLAY. */
export function replayInputOf({ input }: Pick<TaskRow, "input">): ReplayInput {
  return input as unknown as ReplayInput;
}

/** How far the task of a replay is. */
export function replayProgressOf(task: Pick<TaskRow, "input" | "position">): ReplayProgress {
  const known = task.position as unknown as ReplayProgress | null;
  return known ?? newProgress(replayInputOf(task).job);
}

/** The selection as text that JSON holds. */
export function encodeSelection(selection: ReplaySelection): string {
  return Buffer.from(toBinary(ReplaySelectionSchema, selection)).toString("base64");
}

/** A replay that was made. */
export function replayFromRow(row: TaskRow): Replay {
  const input = replayInputOf(row);
  const progress = replayProgressOf(row);
  return create(ReplaySchema, {
    ...describeReplay(input),
    name: `${input.sink}/replays/${row.uid}`,
    task: row.name,
    state: row.state,
    delivered: BigInt(progress.delivered),
    filtered: BigInt(progress.filtered),
    refused: BigInt(progress.refused),
    refusals: progress.refusals.map(({ recordId, place: { sequence, index }, reason, why }) =>
      create(ReplayRefusalSchema, {
        recordId,
        place: `${sequence}-${index}`,
        reason,
        error: why,
      }),
    ),
    waiting: row.endTime ? "" : progress.waiting,
    error: row.error,
    createTime: timestampFromDate(row.createTime),
    ...(row.endTime && { endTime: timestampFromDate(row.endTime) }),
  });
}

/** What is known of a replay before it is made. */
export function describeReplay(input: ReplayInput): MessageInitShape<typeof ReplaySchema> {
  const { job, author, selection, count, isExact } = input;
  return {
    selection: fromBinary(ReplaySelectionSchema, Buffer.from(selection, "base64")),
    firstSequence: BigInt(job.first),
    lastSequence: BigInt(job.last),
    selected: BigInt(count),
    selectedExact: isExact,
    author,
  };
}
