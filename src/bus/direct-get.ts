import { createInbox, type Msg } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import type { BusConnection } from "./connection.ts";
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

/** How long a read waits for a connection. */
const READ_TIMEOUT_MS = 4_700;
/** How long the server may be silent within an answer. */
const SILENCE_MS = 3_000;
const NOT_FOUND = 404;
const END_OF_BATCH = 204;

/** Stored records of a log, see `directGetRaw`. */
export async function directGet(
  connection: BusConnection,
  query: DirectGetQuery,
): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for (const { subject, sequence, timeMs, data } of await directGetRaw(connection, query)) {
    const place = parseRecordsSubject(subject);
    if (place) messages.push({ ...place, sequence, timeMs, data });
  }
  return messages;
}

/**
 * Gets stored messages without a consumer: the server sends them one by one and ends with a status.
 * When the connection breaks within the answer, all of it is asked for again on the next one. Fails
 * with LOG_UNAVAILABLE within 5 s, or with the reason of the signal.
 */
export async function directGetRaw(
  connection: BusConnection,
  query: DirectGetQuery,
): Promise<StoredMessage[]> {
  const endMs = performance.now() + READ_TIMEOUT_MS;
  while (await connection.whenConnected(endMs - performance.now())) {
    const messages = await tryGet(connection, query);
    if (messages) return messages;
  }
  throw unreadable("no connection");
}

/** One request; undefined when the connection broke before its end. */
function tryGet(
  connection: BusConnection,
  query: DirectGetQuery,
): Promise<StoredMessage[] | undefined> {
  const { nc } = connection;
  const { promise, resolve, reject } = Promise.withResolvers<StoredMessage[] | undefined>();
  const messages: StoredMessage[] = [];
  const inbox = createInbox();
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      if (error) return end(() => reject(unreadable(error)));
      const code = message.headers?.code ?? 0;
      if (code === 0) {
        messages.push(readMessage(message));
        silence.refresh();
      } else if (code === NOT_FOUND || code === END_OF_BATCH) end(() => resolve(messages));
      else end(() => reject(unreadable(`${code} ${message.headers?.description}`)));
    },
  });
  const silence = setTimeout(() => end(() => reject(unreadable("no answer in time"))), SILENCE_MS);
  const abort = () => end(() => reject(query.signal?.reason as Error));
  const endWatch = connection.onChange(() => end(() => resolve(undefined)));
  const end = (settle: () => void) => {
    clearTimeout(silence);
    endWatch();
    query.signal?.removeEventListener("abort", abort);
    if (!nc.isClosed()) subscription.unsubscribe();
    settle();
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
