import type { LogAppended, LogCall, LogPart, PartPlace } from "../core/log.ts";
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

/** Place of a part before the sequences are known. */
interface RelativePlace {
  readonly message: number;
  readonly index: number;
}

/** Calls laid out as messages of one publish. */
export interface CommitPlan {
  /** Identity of the publish, in the header of its first message. */
  readonly writeId: string;
  readonly messages: readonly OutgoingMessage[];
  /** For each call, the places of its parts. */
  readonly places: readonly (readonly RelativePlace[])[];
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
  const places = calls.map((call) => {
    const first = messages.length;
    const shared = call.idempotency ? new Map<string, OpenMessage>() : open;
    const partPlaces = call.parts.map((part) => {
      const subject = subjectOf(call, part.partition);
      let message = shared.get(subject);
      if (!message || message.size + callEntrySize(part.block.length) > MAX_MESSAGE_BYTES) {
        message = start(call, subject);
        shared.set(subject, message);
      }
      if (call.idempotency) open.delete(subject);
      return addPart(message, part);
    });
    if (call.idempotency) {
      const head = messages[first]!;
      addHeader(head, "Nats-Msg-Id", call.idempotency.id);
      addHeader(head, HEADERS.bodyHash, call.idempotency.bodyHash);
      addHeader(head, HEADERS.places, encodePlaces(partPlaces, first));
    }
    return partPlaces;
  });
  return {
    writeId,
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

function addPart(message: OpenMessage, part: LogPart): RelativePlace {
  const place = { message: message.position, index: message.count };
  message.blocks.push(part.block);
  message.size += callEntrySize(part.block.length);
  message.count += part.count;
  return place;
}

/** The answers to the calls of a plan whose last message got this sequence. */
export function placesOfPlan(plan: CommitPlan, lastSequence: number): LogAppended[] {
  const first = lastSequence - plan.messages.length + 1;
  return plan.places.map((parts) => ({
    isDuplicate: false,
    places: parts.map((p) => ({ sequence: first + p.message, index: p.index })),
  }));
}

function encodePlaces(parts: readonly RelativePlace[], first: number): string {
  return parts.map((p) => `${p.message - first}:${p.index}`).join(",");
}

/** Places from the header of the first message of a call, whose sequence is given. */
export function decodePlaces(text: string, sequence: number): PartPlace[] {
  if (text === "") return [];
  return text.split(",").map((pair) => {
    const [message, index] = pair.split(":");
    return { sequence: sequence + Number(message), index: Number(index) };
  });
}
