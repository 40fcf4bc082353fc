import type { JetStreamManager } from "@nats-io/jetstream";
import type { Publisher } from "./publisher.ts";
import { logUnavailable, meaningOf, refusalError } from "./refusals.ts";
import { getStoredMessage } from "./stored-message.ts";
import type { SubjectNames } from "./subjects.ts";

export interface SealInput {
  readonly publisher: Publisher;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
}

/**
 * Ends a generation of a log: every push of that generation which is not stored yet is refused from
 * now on (GENERATION_SEALED), on every node, because each publish demands that no seal is stored.
 * Answers with the sequence of the seal: all records of the generation lie below it. Idempotent.
 * Fails with LOG_UNAVAILABLE; then try again.
 */
export async function sealGeneration(
  log: { readonly shard: number; readonly uid: string; readonly generation: number },
  { publisher, jsm, names }: SealInput,
): Promise<number> {
  const subject = names.seal(log.shard, log.uid, log.generation);
  const answer = await publisher.publish(
    [{ subject, headers: [["Nats-Expected-Last-Subject-Sequence", "0"]], data: new Uint8Array() }],
    { timeoutMs: 4_000 },
  );
  if (answer.kind === "stored") return answer.lastSequence;
  if (answer.kind === "unknown") throw logUnavailable(answer.text);
  const meaning = meaningOf(answer.code, answer.text);
  if (meaning !== "wrong-sequence") throw refusalError(meaning, answer.text);
  const sealed = await getStoredMessage(jsm, names.shardStream(log.shard), {
    last_by_subj: subject,
  }).catch((cause) => {
    throw logUnavailable(cause);
  });
  if (!sealed) throw logUnavailable("the seal was just removed");
  return sealed.sequence;
}
