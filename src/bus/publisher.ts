import { headers as createHeaders, createInbox, type Msg, nuid } from "@nats-io/transport-node";
import type { BusConnection } from "./connection.ts";

/** A message to publish; headers as name and value. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly data: Uint8Array;
}

/** What became of a publish. */
export type PublishAnswer =
  | { readonly kind: "stored"; readonly lastSequence: number; readonly isDuplicate: boolean }
  /** Nothing is stored. `code` is JetStream's error code, or 503 when nobody listens. */
  | { readonly kind: "refused"; readonly code: number; readonly text: string }
  /** No answer in time, or the connection broke: the messages may be stored or not. */
  | { readonly kind: "unknown"; readonly text: string };

/** Publishes to JetStream. */
export interface Publisher {
  /**
   * One message is published by itself, several as one atomic batch: all are stored, with ascending
   * sequences without gaps, or none. At most 1,000. Never rejects.
   */
  publish(
    messages: readonly OutgoingMessage[],
    options: { readonly timeoutMs: number },
  ): Promise<PublishAnswer>;
  close(): void;
}

/** How many messages JetStream takes in one atomic batch. */
export const MAX_BATCH_MESSAGES = 1_000;

/**
 * A publisher with one reply subscription for all answers: the request of the client library makes
 * a muxed promise and an error with a stack for each, at an eighth of the rate.
 */
export function createPublisher(connection: BusConnection): Publisher {
  const { nc } = connection;
  const inbox = createInbox();
  const waiting = new Map<string, (answer: PublishAnswer) => void>();
  let next = 0;
  const subscription = nc.subscribe(`${inbox}.*`, {
    callback(error, message) {
      if (error) return;
      waiting.get(message.subject.slice(inbox.length + 1))?.(readAnswer(message));
    },
  });
  const failAll = (text: string) => {
    for (const settle of [...waiting.values()]) settle({ kind: "unknown", text });
  };
  const endWatch = connection.onChange((isConnected) => {
    if (!isConnected) failAll("the connection to nats-server broke");
  });
  return {
    publish(messages, { timeoutMs }) {
      if (nc.isClosed()) return Promise.resolve({ kind: "unknown", text: "closed" });
      return new Promise((resolve) => {
        const token = String(next++);
        const timer = setTimeout(
          () => settle({ kind: "unknown", text: `no answer within ${timeoutMs} ms` }),
          timeoutMs,
        );
        const settle = (answer: PublishAnswer) => {
          clearTimeout(timer);
          waiting.delete(token);
          resolve(answer);
        };
        waiting.set(token, settle);
        try {
          send(nc, messages, `${inbox}.${token}`);
        } catch (error) {
          settle({ kind: "refused", code: 400, text: String(error) });
        }
      });
    },
    close() {
      endWatch();
      failAll("closed");
      if (!nc.isClosed()) subscription.unsubscribe();
    },
  };
}

function send(nc: BusConnection["nc"], messages: readonly OutgoingMessage[], reply: string): void {
  const batchId = messages.length > 1 ? nuid.next() : undefined;
  for (const [index, message] of messages.entries()) {
    const isLast = index === messages.length - 1;
    const headers = createHeaders();
    for (const [name, value] of message.headers) headers.set(name, value);
    if (batchId) {
      headers.set("Nats-Batch-Id", batchId);
      headers.set("Nats-Batch-Sequence", String(index + 1));
      if (isLast) headers.set("Nats-Batch-Commit", "1");
    }
    const hasHeaders = batchId !== undefined || message.headers.length > 0;
    nc.publish(message.subject, message.data, {
      ...(hasHeaders ? { headers } : {}),
      ...(isLast ? { reply } : {}),
    });
  }
}

interface PubAckBody {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: {
    readonly err_code?: number;
    readonly code?: number;
    readonly description?: string;
  };
}

function readAnswer(message: Msg): PublishAnswer {
  if (message.data.length === 0) {
    return { kind: "refused", code: message.headers?.code ?? 503, text: "nobody listens" };
  }
  const body = message.json<PubAckBody>();
  if (body.error) {
    return {
      kind: "refused",
      code: body.error.err_code ?? body.error.code ?? 500,
      text: body.error.description ?? "refused",
    };
  }
  return { kind: "stored", lastSequence: body.seq ?? 0, isDuplicate: body.duplicate === true };
}
