import type { JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";
import { askAgain } from "./asked-again.ts";

/** A stored message as the leader of a stream gives it. */
export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly timeMs: number;
  readonly headers: MsgHdrs;
  readonly data: Uint8Array;
}

/** Which message to get: an exact sequence, the next of a subject (wildcards allowed) or its last. */
export type StoredMessageQuery =
  | { readonly seq: number }
  | { readonly seq: number; readonly next_by_subj: string }
  | { readonly last_by_subj: string };

/**
 * Gets one message from the stream's leader, so the answer knows all that was acknowledged (a
 * direct get may come from a replica that is behind). Undefined when there is none; rejects when
 * JetStream does not answer.
 */
export async function getStoredMessage(
  jsm: JetStreamManager,
  stream: string,
  query: StoredMessageQuery,
): Promise<StoredMessage | undefined> {
  const found = await askAgain(() => jsm.streams.getMessage(stream, query as { seq: number }));
  if (!found) return undefined;
  return {
    sequence: found.seq,
    subject: found.subject,
    timeMs: found.time.getTime(),
    headers: found.header,
    data: found.data,
  };
}
