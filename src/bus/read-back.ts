import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { type CommitPlan, HEADERS } from "./commit-plan.ts";
import type { BusConnection } from "./connection.ts";
import type { Publisher } from "./publisher.ts";
import { getStoredMessage } from "./stored-message.ts";

/** JetStream's answer to a publish for another stream: nothing is stored. */
const STREAM_NOT_MATCH = 10060;

/** A publish as it was sent. */
type Publish = Pick<CommitPlan, "writeId" | "messages">;

/** What the read-back of one shard needs. */
export interface ReadBackInput {
  readonly connection: BusConnection;
  readonly publisher: Publisher;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  /** Newest sequence that was known before the publish. */
  readonly afterSequence: number;
  readonly signal: AbortSignal;
}

/**
 * Finds out what became of a publish whose answer is missing: the sequence of its last message, or
 * undefined when it is not stored. Waits for nats-server as long as it takes, and rejects only when
 * the signal aborts.
 *
 * A fence goes first: the stream handles what comes on one connection in order, so once it has
 * refused the fence, an earlier publish is either stored or gone.
 */
export async function readBack(plan: Publish, input: ReadBackInput): Promise<number | undefined> {
  for (;;) {
    input.signal.throwIfAborted();
    if (input.connection.isConnected() && (await passFence(plan, input))) {
      try {
        return await findPublish(plan, input);
      } catch {
        // Away again, or not ready yet.
      }
    }
    await delay(50, undefined, { signal: input.signal });
  }
}

async function passFence(plan: Publish, { publisher }: ReadBackInput): Promise<boolean> {
  const fence = {
    subject: plan.messages[0]!.subject,
    headers: [["Nats-Expected-Stream", "none"]] as const,
    data: new Uint8Array(),
  };
  const answer = await publisher.publish([fence], { timeoutMs: 1_000 });
  return answer.kind === "refused" && answer.code === STREAM_NOT_MATCH;
}

async function findPublish(plan: Publish, input: ReadBackInput): Promise<number | undefined> {
  const { subject } = plan.messages[0]!;
  for (let from = input.afterSequence + 1; ; ) {
    const message = await getStoredMessage(input.jsm, input.stream, {
      seq: from,
      next_by_subj: subject,
    });
    if (!message) return undefined;
    if (message.headers.get(HEADERS.write) === plan.writeId) {
      const last = message.sequence + plan.messages.length - 1;
      return (await isLast(plan, input, last)) ? last : undefined;
    }
    from = message.sequence + 1;
    input.signal.throwIfAborted();
  }
}

async function isLast(plan: Publish, input: ReadBackInput, sequence: number): Promise<boolean> {
  const message = await getStoredMessage(input.jsm, input.stream, { seq: sequence });
  return message?.subject === plan.messages.at(-1)!.subject;
}
