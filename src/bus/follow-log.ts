import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import { parseRecordsSubject, type SubjectNames } from "./subjects.ts";

/** Bytes that may be on their way to a reader that is busy. */
const MAX_BYTES_AHEAD = 4 * 1024 * 1024;

export interface FollowLogOptions {
  readonly fromSequence: number;
  /** Called in turn, ascending by sequence; the next message waits for what it returns. */
  readonly onMessage: (message: LogMessage) => void | Promise<void>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * Gives every stored message of a log from a sequence on, and what is stored later as it comes,
 * until the signal aborts. It reads by an ordered consumer, never by a subscription to the subjects,
 * which would also show messages of refused batches. Goes on by itself after a lost connection.
 * Fails with LOG_UNAVAILABLE, and with whatever `onMessage` throws.
 */
export async function followLog(
  log: { readonly shard: number; readonly uid: string },
  options: FollowLogOptions & { readonly jsm: JetStreamManager; readonly names: SubjectNames },
): Promise<void> {
  const { names, signal } = options;
  if (signal.aborted) return;
  const { consumer, messages } = await openConsumer(log, options).catch((cause) => {
    throw fail("LOG_UNAVAILABLE", "the log cannot be followed now", { retryAfterMs: 1_000, cause });
  });
  const stop = () => messages.stop();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of messages) {
      if (signal.aborted) break;
      const subject = parseRecordsSubject(message.subject);
      if (!subject) throw new Error(`${names.shardStream(log.shard)} holds ${message.subject}`);
      await options.onMessage({
        ...subject,
        sequence: message.seq,
        timeMs: message.info.timestampNanos / 1e6,
        data: message.data,
      });
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await messages.close();
    await consumer.delete().catch(() => undefined);
  }
}

async function openConsumer(
  log: { readonly shard: number; readonly uid: string },
  { jsm, names, fromSequence }: FollowLogOptions & { jsm: JetStreamManager; names: SubjectNames },
) {
  const consumer = await jsm.jetstream().consumers.get(names.shardStream(log.shard), {
    filter_subjects: names.recordsOfLog(log.shard, log.uid),
    deliver_policy: "by_start_sequence",
    opt_start_seq: Math.max(1, fromSequence),
  });
  const messages = await consumer.consume({ max_bytes: MAX_BYTES_AHEAD, expires: 5_000 });
  return { consumer, messages };
}
