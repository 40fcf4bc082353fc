import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import type { StoredMessage } from "./stored-message.ts";
import { parseRecordsSubject } from "./subjects.ts";

/** A batched direct get, after the server's request body. */
export interface DirectGetQuery {
  readonly stream: string;
  /** Subject with wildcards. */
  readonly filter: string;
  /** From this sequence, or from the first message at or after this time. */
  readonly from: { readonly sequence: number } | { readonly timeMs: number };
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** How long the server may be silent within an answer. */
const SILENCE_MS = 4_000;
const NOT_FOUND = 404;
const END_OF_BATCH = 204;

/** Stored records of a log, see `directGetRaw`. */
export async function directGet(nc: NatsConnection, query: DirectGetQuery): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for (const { subject, sequence, timeMs, data } of await directGetRaw(nc, query)) {
    const place = parseRecordsSubject(subject);
    if (place) messages.push({ ...place, sequence, timeMs, data });
  }
  return messages;
}

/**
 * Gets stored messages without a consumer: the server sends them one by one and ends with a status.
 * When the connection breaks within the answer, the call fails as a whole with LOG_UNAVAILABLE.
 */
export function directGetRaw(nc: NatsConnection, query: DirectGetQuery): Promise<StoredMessage[]> {
  const { promise, resolve, reject } = Promise.withResolvers<StoredMessage[]>();
  if (nc.isClosed()) return Promise.reject(unreadable("closed"));
  const messages: StoredMessage[] = [];
  const inbox = createInbox();
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      if (error) return end(unreadable(error));
      const code = message.headers?.code ?? 0;
      if (code === 0) {
        messages.push(readMessage(message));
        timer.refresh();
      } else if (code === NOT_FOUND || code === END_OF_BATCH) end();
      else end(unreadable(`${code} ${message.headers?.description}`));
    },
  });
  const timer = setTimeout(() => end(unreadable("no answer in time")), SILENCE_MS);
  const abort = () => end(query.signal?.reason as Error);
  const end = (error?: Error) => {
    clearTimeout(timer);
    query.signal?.removeEventListener("abort", abort);
    if (!nc.isClosed()) subscription.unsubscribe();
    if (error) reject(error);
    else resolve(messages);
  };
  if (query.signal?.aborted) abort();
  else {
    query.signal?.addEventListener("abort", abort, { once: true });
    nc.publish(`$JS.API.DIRECT.GET.${query.stream}`, requestBody(query), { reply: inbox });
  }
  return promise;
}

function requestBody(query: DirectGetQuery): string {
  const from =
    "sequence" in query.from
      ? { seq: Math.max(1, query.from.sequence) }
      : { start_time: new Date(query.from.timeMs).toISOString() };
  return JSON.stringify({
    ...from,
    next_by_subj: query.filter,
    batch: query.maxMessages,
    max_bytes: query.maxBytes,
  });
}

function readMessage(message: Msg): StoredMessage {
  const headers = message.headers!;
  return {
    subject: headers.last("Nats-Subject"),
    sequence: Number(headers.last("Nats-Sequence")),
    timeMs: Date.parse(headers.last("Nats-Time-Stamp")),
    headers,
    data: message.data,
  };
}

function unreadable(cause: unknown): Error {
  return fail("LOG_UNAVAILABLE", "the log cannot be read now", { retryAfterMs: 1_000, cause });
}
