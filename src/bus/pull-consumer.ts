import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";

/** A message of a consumer, with what the consumer says about its delivery. */
export interface PulledMessage {
  readonly subject: string;
  /** Sequence in the stream. */
  readonly sequence: number;
  /** Counts deliveries of the consumer: a gap means that one was lost on its way. */
  readonly deliverySequence: number;
  readonly timeMs: number;
  readonly pinId: string;
  readonly data: Uint8Array;
  /** Subject that acknowledges this message, and with ack_policy all every earlier one. */
  readonly ackSubject: string;
}

export interface PullOptions {
  readonly stream: string;
  readonly consumer: string;
  readonly group: string;
  /** Id by which this client is pinned; empty when it is not. */
  readonly pinId: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly expiresMs: number;
  readonly onMessage: (message: PulledMessage) => void;
  readonly signal: AbortSignal;
}

const ACK_PREFIX = "$JS.ACK.";

/** How a pull ended. */
export type PullEnd =
  /** The request is used up or expired. */
  | "done"
  /** Another client is pinned. */
  | "not-pinned"
  /** Nobody heard the request: there is no such consumer, or its leader is being elected. */
  | "unheard"
  /** No heartbeat, a message that did not come, or the signal aborted. */
  | "broken";

/**
 * One pull request at a pinned-client consumer. The consume() of the client library asks for more on
 * receipt, whoever may still be busy; here at most one request is open, so what is on its way is
 * bounded.
 */
export function pullOnce(nc: NatsConnection, options: PullOptions): Promise<PullEnd> {
  if (nc.isClosed() || options.signal.aborted) return Promise.resolve("broken");
  const { promise, resolve } = Promise.withResolvers<PullEnd>();
  const heartbeatMs = Math.floor(options.expiresMs / 4);
  const inbox = createInbox();
  let left = options.maxMessages;
  /** The same in all messages of a pull: who is pinned anew has to ask anew. */
  let pinId: string | undefined;
  /** How many will not come, and how the pull ends then; set by its status. */
  let last: { readonly left: number; readonly how: PullEnd } = { left: 0, how: "done" };
  const subscription = nc.subscribe(inbox, {
    callback(error, message) {
      silence.refresh();
      if (error) return end("broken");
      const code = statusOf(message);
      if (code === 0) {
        pinId ??= message.headers?.get("Nats-Pin-Id") ?? "";
        options.onMessage(readPulled(message, pinId));
        left--;
        if (left <= last.left) end(last.how);
      } else if (code !== 100) {
        last = { left: leftOf(message, left), how: endOf(code) };
        if (left <= last.left || last.how === "broken") end(last.how);
      }
    },
  });
  const silence = setTimeout(() => end("broken"), 3 * heartbeatMs);
  const abort = () => end("broken");
  const end = (how: PullEnd) => {
    clearTimeout(silence);
    options.signal.removeEventListener("abort", abort);
    if (!nc.isClosed()) subscription.unsubscribe();
    resolve(how);
  };
  options.signal.addEventListener("abort", abort, { once: true });
  const body = {
    batch: options.maxMessages,
    max_bytes: options.maxBytes,
    expires: options.expiresMs * 1_000_000,
    idle_heartbeat: heartbeatMs * 1_000_000,
    group: options.group,
    ...(options.pinId ? { id: options.pinId } : {}),
  };
  nc.publish(
    `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`,
    JSON.stringify(body),
    { reply: inbox },
  );
  return promise;
}

/** 0 for a message of the stream: it can be acknowledged. Headers take 3 µs to read, so they are not. */
function statusOf(message: Msg): number {
  return message.reply?.startsWith(ACK_PREFIX) ? 0 : (message.headers?.code ?? 0);
}

/**
 * Messages that a status says will not come. A consumer with copies sends a message only when a quorum
 * knows of it, and the status of a pull at once: those that it counts as sent are still on their way, and
 * would be lost with the inbox.
 */
function leftOf({ headers }: Msg, left: number): number {
  const pending = headers?.get("Nats-Pending-Messages");
  return pending ? Math.max(0, Number(pending)) : left;
}

function endOf(code: number): PullEnd {
  if (code === 423) return "not-pinned";
  if (code === 503) return "unheard";
  // 404 and 408: nothing came; 409: the bytes are used up.
  return code === 404 || code === 408 || code === 409 ? "done" : "broken";
}

/**
 * What a consumer says stands in the subject for the acknowledgement, counted from its end because
 * newer servers put a domain and an account before it:
 * `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream seq>.<delivery seq>.<ns>.<pending>`
 */
function readPulled(message: Msg, pinId: string): PulledMessage {
  const ackSubject = message.reply ?? "";
  const tokens = ackSubject.split(".");
  const at = tokens.length === 9 ? 4 : 6;
  return {
    subject: message.subject,
    sequence: Number(tokens[at + 1]),
    deliverySequence: Number(tokens[at + 2]),
    timeMs: Number(tokens[at + 3]) / 1e6,
    pinId,
    data: message.data,
    ackSubject,
  };
}
