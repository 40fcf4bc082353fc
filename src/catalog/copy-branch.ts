/**
 * The task that copies the retained records of a branch into a new one. Each batch is written down
 * before it is appended: nobody else appends to the new log, so after a crash the log itself tells
 * whether the batch was stored, and nothing is copied twice or left out.
 */
import { createHash } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { Branch_State } from "#gen/tributary/management/v1/stream_pb.js";
import { Task_State } from "#gen/tributary/management/v1/task_pb.js";
import type { Definitions, StreamDefinition } from "../core/definitions.ts";
import { fail, notFound } from "../core/errors.ts";
import type { LogMessage, LogPart, LogReader, LogWriter } from "../core/log.ts";
import { partitionOf } from "../core/partition.ts";
import { decodeRecordBatch, type RecordCall } from "../core/record-batch.ts";
import { type CallFacts, divideRows, encodeCallBlock } from "../core/record-block.ts";
import { canonicalKeyOf } from "../core/record-rules.ts";
import { branches } from "../db/schema.ts";
import type { LogPlace } from "./log-purger.ts";
import type { TaskHandler, TaskWork } from "./task-runner.ts";
import type { TaskRow } from "./task-store.ts";

/** What the task is about; saved as JSON. */
export interface CopyInput {
  readonly stream: string;
  readonly source: LogPlace;
  readonly target: LogPlace;
  /** Newest sequence of the source that is copied. */
  readonly until: number;
}

/** Where it is; saved as JSON. */
interface CopyPosition {
  /** First sequence of the source that is not known to be copied. */
  readonly next: number;
  /** The batch under way: up to which sequence, and how long the new log was before it. */
  readonly batch?: { readonly end: number; readonly after: number };
}

/** What the task needs of the log. */
export interface CopyLogs {
  readonly definitions: Pick<Definitions, "stream">;
  readonly reader: Pick<LogReader, "info" | "read">;
  readonly writer: LogWriter;
}

const BATCH_MESSAGES = 100;
const BATCH_BYTES = 2 << 20;
/** Parts and bytes of one append stay below what the log takes in one call. */
const PARTS_MAX = 400;
const PARTS_BYTES_MAX = 8 << 20;

/** Makes the handler of COPY_BRANCH. */
export function createBranchCopier(logs: CopyLogs): TaskHandler {
  return {
    run: (task, work) => copy(logs, task, work),
    async ended(queries, task, state) {
      const isReady = state === Task_State.SUCCEEDED;
      await queries
        .update(branches)
        .set({ state: isReady ? Branch_State.READY : Branch_State.FAILED })
        .where(
          and(eq(branches.uid, inputOf(task).target.uid), eq(branches.state, Branch_State.COPYING)),
        );
    },
  };
}

const inputOf = (task: TaskRow) => task.input as unknown as CopyInput;

async function copy(logs: CopyLogs, task: TaskRow, work: TaskWork): Promise<void> {
  const { reader } = logs;
  const { source, target, until } = inputOf(task);
  const total = Math.max(task.total, (await reader.info(source)).bytes);
  let { done } = task;
  let position = (task.position ?? { next: 0 }) as unknown as CopyPosition;
  for (;;) {
    const { batch } = position;
    if (batch && (await isLongerThan(reader, target, batch.after))) {
      position = { next: batch.end + 1 };
    }
    const messages = await readBatch(reader, inputOf(task), position);
    const last = messages.at(-1);
    if (!last || last.sequence > until) return;
    const stream = logs.definitions.stream(inputOf(task).stream);
    if (!stream) throw notFound(inputOf(task).stream);
    const { parts, end } = encodeMessages(stream, messages);
    const after = (await reader.info(target)).lastSequence;
    position = { next: position.next, batch: { end, after } };
    await work.save({ position: { ...position }, done, total });
    await append(logs, stream, { task, parts, next: position.next });
    for (const message of messages) if (message.sequence <= end) done += message.data.length;
    position = { next: end + 1 };
    await work.save({ position: { ...position }, done: Math.min(done, total), total });
  }
}

async function isLongerThan(
  reader: CopyLogs["reader"],
  log: LogPlace,
  sequence: number,
): Promise<boolean> {
  const options = { fromSequence: sequence + 1, maxMessages: 1, maxBytes: 1 };
  return (await reader.read(log, options)).length > 0;
}

/** The messages that come next; those of a batch that was begun before are the same again. */
async function readBatch(
  reader: CopyLogs["reader"],
  { source, until }: Pick<CopyInput, "source" | "until">,
  { next, batch }: CopyPosition,
): Promise<LogMessage[]> {
  const messages = await reader.read(source, {
    fromSequence: next,
    maxMessages: BATCH_MESSAGES,
    maxBytes: BATCH_BYTES,
  });
  const end = Math.min(until, batch?.end ?? until);
  const wanted = messages.filter((message) => message.sequence <= end);
  // All of a batch that was begun may have expired meanwhile.
  if (wanted.length > 0 || !batch || end >= until) return wanted;
  return await readBatch(reader, { source, until }, { next: end + 1 });
}

/** Parts of one append, of as many messages as fit; `end` is the last one's sequence. */
function encodeMessages(stream: StreamDefinition, messages: readonly LogMessage[]) {
  const parts: LogPart[] = [];
  let bytes = 0;
  let end = 0;
  for (const message of messages) {
    const { calls } = decodeRecordBatch(message.data);
    const encoded = calls.flatMap((call) => encodeCall(stream, message, call));
    const size = encoded.reduce((sum, part) => sum + part.block.length, 0);
    const isTooMuch = parts.length + encoded.length > PARTS_MAX || bytes + size > PARTS_BYTES_MAX;
    if (end > 0 && isTooMuch) break;
    parts.push(...encoded);
    bytes += size;
    end = message.sequence;
  }
  return { parts, end };
}

/** The records of a stored call, by the partitions that their keys have now. */
function encodeCall(stream: StreamDefinition, message: LogMessage, call: RecordCall): LogPart[] {
  const hashes = hashesOf(stream, message, call);
  const spans: number[] = [];
  let at = 0;
  for (const record of call.records) {
    spans.push(at, at + record.length);
    at += record.length;
  }
  const rows = { bytes: Buffer.concat(call.records), spans, ids: call.producerIds, hashes };
  const facts: CallFacts = { ...call };
  const own = message.partition % stream.partitions;
  const byPartition = Map.groupBy(call.records.keys(), (row) =>
    hashes.length > 0 ? partitionOf(hashes[row]!, stream.partitions) : own,
  );
  return [...byPartition].flatMap(([partition, chosen]) =>
    divideRows(rows, chosen).map((each) => ({
      partition,
      block: encodeCallBlock(facts, rows, each).block,
      count: each.length,
    })),
  );
}

/**
 * Records of an earlier generation get the hash of their key as it is made now; one that lacks a field
 * of today's key keeps the hash it had.
 */
function hashesOf(stream: StreamDefinition, message: LogMessage, call: RecordCall): number[] {
  if (stream.keyFields.length === 0) return [];
  if (message.generation === stream.generation) return [...call.keyHashes];
  return call.records.map((record, i) => {
    try {
      return canonicalKeyOf(record, stream)?.hash ?? 0;
    } catch {
      return call.keyHashes[i] ?? 0;
    }
  });
}

async function append(
  { writer }: CopyLogs,
  stream: StreamDefinition,
  { task, parts, next }: { task: TaskRow; parts: readonly LogPart[]; next: number },
): Promise<void> {
  const { target } = inputOf(task);
  const body = createHash("sha256");
  for (const { block } of parts) body.update(block);
  const identity = `${task.uid} ${next} ${stream.generation}`;
  const call = {
    shard: target.shard,
    logUid: target.uid,
    generation: stream.generation,
    projectUid: stream.projectUid,
    parts,
    idempotency: {
      id: createHash("sha256").update(identity).digest("base64url"),
      bodyHash: body.digest("base64url"),
    },
  };
  if (parts.length === 0) throw fail("LOG_CORRUPT", "a stored message holds no records");
  await writer.append(call);
}
