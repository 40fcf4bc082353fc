/** Meets every stored message of a shard with its size, and judges on the way whether any are missing. */
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { AccountEntry } from "./log-account.ts";
import { expectMessages, type MissingInput, type MissingMessages } from "./missing-messages.ts";
import { parseRecordsSubject } from "./subjects.ts";

/** What a walk is told, and tells. */
export interface ShardWalk extends MissingInput {
  readonly shard: number;
  /** Whether it ends at the newest message; else it follows the shard until the signal aborts. */
  readonly isEnding: boolean;
  /** Ascending. */
  readonly onMessage: (logUid: string, entry: AccountEntry) => void;
  /** Everything that was stored when it began was met; called once. */
  readonly onEnd: () => void;
  readonly signal: AbortSignal;
}

/** What a message takes in the log, about. */
export function storedBytes(subject: string, dataBytes: number): number {
  return dataBytes + subject.length + 64;
}

/**
 * Walks by the headers that a consumer of its own gives, 10 µs a message. Rejects when it loses its place:
 * then all of it is to be walked again.
 */
export async function walkShard(walk: ShardWalk): Promise<void> {
  const { jsm, names, shard, isEnding, signal } = walk;
  const missing = await expectMessages(shard, walk);
  const consumer = await jsm.jetstream().consumers.get(names.shardStream(shard), {
    filter_subjects: names.recordsOfShard(shard),
    headers_only: true,
  });
  let messages: ConsumerMessages | undefined;
  const stop = () => messages?.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const { num_pending: pending } = await consumer.info();
    let isAtEnd = isEndAt(walk, missing, { sequence: 0, pending });
    if (isAtEnd) end(walk, missing);
    if (signal.aborted || (isEnding && isAtEnd)) return;
    messages = await consumer.consume({ max_messages: 1_000, expires: 5_000 });
    for await (const message of messages) {
      if (signal.aborted) return;
      meet(walk, message, isAtEnd ? undefined : missing);
      if (isAtEnd) continue;
      const { pending } = message.info;
      isAtEnd = isEndAt(walk, missing, { sequence: message.seq, pending });
      if (isAtEnd) end(walk, missing);
      if (isEnding && isAtEnd) return;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await messages?.close();
    await consumer.delete().catch(() => undefined);
  }
}

function meet({ onMessage }: ShardWalk, message: JsMsg, missing?: MissingMessages): void {
  const logUid = parseRecordsSubject(message.subject)?.logUid;
  if (!logUid) return;
  missing?.found(logUid, message.seq);
  const size = Number(message.headers?.get("Nats-Msg-Size") ?? 0);
  onMessage(logUid, {
    sequence: message.seq,
    timeMs: message.info.timestampNanos / 1e6,
    bytes: storedBytes(message.subject, size),
  });
}

function isEndAt(
  { isEnding }: ShardWalk,
  { newest }: MissingMessages,
  { sequence, pending }: { readonly sequence: number; readonly pending: number },
): boolean {
  if (sequence >= newest) return true;
  // A copy of the shard that is behind knows of nothing more: it says so again when it is not.
  if (pending === 0 && isEnding) throw new Error("the newest message of the shard did not come");
  return pending === 0;
}

function end({ onEnd }: ShardWalk, missing: MissingMessages): void {
  onEnd();
  void missing.judge();
}
