import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogAppended, LogCall } from "../core/log.ts";
import { decodePlaces, HEADERS } from "./commit-plan.ts";
import type { Publisher } from "./publisher.ts";
import { logUnavailable } from "./refusals.ts";
import { getStoredMessage } from "./stored-message.ts";

/** What answering a repeated call needs. */
export interface DuplicateInput {
  readonly publisher: Publisher;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  /** Subject of the shard on which probes may be sent; nothing is stored there. */
  readonly probeSubject: string;
}

/**
 * Sequence of the stored message with an idempotency id, or undefined when it is not known. JetStream
 * tells it only in the answer to a single publish; so that this one cannot be stored when the id has
 * just left the window, it carries a rollup that no server takes, which is looked at after the id.
 */
export async function findOriginal(id: string, input: DuplicateInput): Promise<number | undefined> {
  const probe = {
    subject: input.probeSubject,
    headers: [
      ["Nats-Msg-Id", id],
      ["Nats-Rollup", "none"],
    ] as const,
    data: new Uint8Array(),
  };
  const answer = await input.publisher.publish([probe], { timeoutMs: 2_000 });
  if (answer.kind === "unknown") throw logUnavailable(answer.text);
  return answer.kind === "stored" && answer.isDuplicate ? answer.lastSequence : undefined;
}

/**
 * The answer to a call whose idempotency id is stored already, the same as the first one's.
 * Fails with IDEMPOTENCY_KEY_REUSED when the bodies differ, or LOG_UNAVAILABLE.
 */
export async function answerDuplicate(
  call: LogCall,
  sequence: number,
  input: DuplicateInput,
): Promise<LogAppended> {
  const original = await getStoredMessage(input.jsm, input.stream, { seq: sequence }).catch(
    (cause) => {
      throw logUnavailable(cause);
    },
  );
  if (!original) {
    // Trimmed within the window: the body cannot be compared any more, but it was stored once.
    return { isDuplicate: true, places: call.parts.map(() => ({ sequence, index: 0 })) };
  }
  if (original.headers.get(HEADERS.bodyHash) !== call.idempotency?.bodyHash) {
    throw fail("IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another body", {
      metadata: { sequence: String(sequence) },
    });
  }
  return {
    isDuplicate: true,
    places: decodePlaces(original.headers.get(HEADERS.places), sequence),
  };
}
