import type { LogAppended, LogCall, PartPlace } from "../core/log.ts";
import { BATCH_OVERHEAD, callEntrySize, encodeRecordBatch } from "../core/record-batch.ts";
import type { OutgoingMessage } from "./publisher.ts";
import type { SubjectNames } from "./subjects.ts";

/** Most bytes of a message that holds more than one block. */
export const MAX_MESSAGE_BYTES = 512 * 1024;

/** Headers of ours on stored messages. */
export const HEADERS = {
  /** On the first message of a publish: finds it again when its answer was lost. */
  write: "Tributary-Write",
  /** On the first message of a call with an idempotency id: the hash of its body. */
  bodyHash: "Tributary-Body-Hash",
  /** Beside it: where each part began, as `message:index`, messages counted from this one. */
  places: "Tributary-Places",
} as const;

/** Calls laid out as messages of one publish. */
export interface CommitPlan {
  /** Identity of the publish, in the header of its first message. */
  readonly writeId: string;
  readonly calls: readonly LogCall[];
  readonly messages: readonly OutgoingMessage[];
  /**
   * Where the parts of all calls begin, in turn: message and index within it. Numbers in one list, for a
   * publish holds a hundred small calls, and an object for each of them is what the collector finds alive.
   */
  readonly places: readonly number[];
}

interface OpenMessage {
  readonly subject: string;
  readonly headers: [string, string][];
  readonly blocks: Uint8Array[];
  readonly position: number;
  size: number;
  count: number;
}

/**
 * Lays calls out in their order. Blocks for one subject share a message up to 512 KiB. A call with an
 * idempotency id shares its messages with no other call, they follow each other, and later calls
 * start new messages, so the order of calls within a partition stays as it came.
 *
 * The first message of each log and generation demands that no seal of that generation is stored.
 */
export function planCommit(
  calls: readonly LogCall[],
  { names, writeId }: { readonly names: SubjectNames; readonly writeId: string },
): CommitPlan {
  const messages: OpenMessage[] = [];
  const places: number[] = [];
  const fenced = new Set<string>();
  const open = new Map<string, OpenMessage>();
  let last: { call: LogCall; partition: number; subject: string } | undefined;
  /** Calls of one partition follow each other, so most names are those of the call before. */
  const subjectOf = (call: LogCall, partition: number): string => {
    if (last && last.partition === partition && isSameLog(last.call, call)) return last.subject;
    const subject = names.records({ ...placeOf(call), partition });
    last = { call, partition, subject };
    return subject;
  };
  const start = (call: LogCall, subject: string): OpenMessage => {
    const message = {
      subject,
      headers: [],
      blocks: [],
      position: messages.length,
      size: BATCH_OVERHEAD,
      count: 0,
    };
    if (messages.length === 0) addHeader(message, HEADERS.write, writeId);
    fence(message, names.seal(call.shard, call.logUid, call.generation), fenced);
    messages.push(message);
    return message;
  };
  for (const call of calls) {
    const { idempotency } = call;
    const firstMessage = messages.length;
    const firstPlace = places.length;
    const shared = idempotency ? new Map<string, OpenMessage>() : open;
    for (const part of call.parts) {
      const subject = subjectOf(call, part.partition);
      const entrySize = callEntrySize(part.block.length);
      let message = shared.get(subject);
      if (!message || message.size + entrySize > MAX_MESSAGE_BYTES) {
        message = start(call, subject);
        shared.set(subject, message);
      }
      if (idempotency) open.delete(subject);
      places.push(message.position, message.count);
      message.blocks.push(part.block);
      message.size += entrySize;
      message.count += part.count;
    }
    if (!idempotency) continue;
    const head = messages[firstMessage]!;
    addHeader(head, "Nats-Msg-Id", idempotency.id);
    addHeader(head, HEADERS.bodyHash, idempotency.bodyHash);
    addHeader(head, HEADERS.places, encodePlaces(places.slice(firstPlace), firstMessage));
  }
  return {
    writeId,
    calls,
    places,
    messages: messages.map(({ subject, headers, blocks }) => ({
      subject,
      headers,
      // When it is sent: a large call is not there twice, nor copied in one turn of the event loop.
      get data() {
        return encodeRecordBatch(blocks);
      },
    })),
  };
}

function isSameLog(one: LogCall, other: LogCall): boolean {
  return (
    one.logUid === other.logUid && one.generation === other.generation && one.shard === other.shard
  );
}

function placeOf(call: LogCall) {
  return { shard: call.shard, logUid: call.logUid, generation: call.generation };
}

function addHeader(message: OpenMessage, name: string, value: string): void {
  message.headers.push([name, value]);
}

function fence(message: OpenMessage, seal: string, fenced: Set<string>): void {
  if (fenced.has(seal)) return;
  fenced.add(seal);
  addHeader(message, "Nats-Expected-Last-Subject-Sequence", "0");
  addHeader(message, "Nats-Expected-Last-Subject-Sequence-Subject", seal);
}

/** The answers to the calls of a plan whose last message got this sequence, given one by one. */
export function answerPlan(
  { calls, messages, places }: CommitPlan,
  lastSequence: number,
  onAnswer: (call: number, answer: LogAppended) => void,
): void {
  const first = lastSequence - messages.length + 1;
  let at = 0;
  for (let i = 0; i < calls.length; i++) {
    const parts: PartPlace[] = [];
    for (const end = at + calls[i]!.parts.length * 2; at < end; at += 2) {
      parts.push({ sequence: first + places[at]!, index: places[at + 1]! });
    }
    onAnswer(i, { isDuplicate: false, places: parts });
  }
}

function encodePlaces(places: readonly number[], first: number): string {
  const pairs: string[] = [];
  for (let i = 0; i < places.length; i += 2) pairs.push(`${places[i]! - first}:${places[i + 1]}`);
  return pairs.join(",");
}

/** Places from the header of the first message of a call, whose sequence is given. */
export function decodePlaces(text: string, sequence: number): PartPlace[] {
  if (text === "") return [];
  return text.split(",").map((pair) => {
    const [message, index] = pair.split(":");
    return { sequence: sequence + Number(message), index: Number(index) };
  });
}
