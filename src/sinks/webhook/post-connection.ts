/**
 * One connection to an endpoint, with one request under way at a time. A request is one write and its answer
 * usually one read: node:http's client makes two streams, their events and a parser's turn of each, which takes
 * several times the CPU of a small request.
 */
import type { Socket } from "node:net";
import { timeoutFault } from "../sink-fault.ts";
import type { AnswerHead } from "./answer-head.ts";
import { AnswerReader, BODY_BYTES_MAX } from "./answer-reader.ts";

/** A request as it goes over the wire. */
export interface WireRequest {
  /** Request line and headers, with the empty line; in latin1. */
  readonly head: string;
  readonly body: Buffer;
  /** Whether the body of an answer is wanted. */
  readonly keepsBody: (status: number) => boolean;
}

/** What came: of a body that is slow or too long only the beginning. */
export interface WireAnswer {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** The connection was closed before an answer came; `isStale` when it had been idle, so that this is no failure. */
export class ConnectionLost extends Error {
  readonly code: string;
  readonly isStale: boolean;

  constructor(code: string, isStale: boolean, options?: ErrorOptions) {
    super("the connection was closed before an answer came", options);
    this.code = code;
    this.isStale = isStale;
  }
}

/** What a connection tells its owner, who keeps it. */
export interface ConnectionOwner {
  /** It can take another request. */
  free(connection: PostConnection): void;
  /** It is gone. */
  gone(connection: PostConnection): void;
}

/** How long the body of an answer may take once its status is known. */
const BODY_TIME_MS = 1000;

interface Exchange {
  readonly reader: AnswerReader;
  readonly resolve: (answer: WireAnswer) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal;
  bodyTimer?: NodeJS.Timeout;
}

/** A connection, which may still be connecting. */
export class PostConnection {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  #exchange: Exchange | undefined;
  #answers = 0;
  /** When the server may close it, in `performance.now()` terms. */
  #keptUntilMs = Number.POSITIVE_INFINITY;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket.on("error", this.#lost).on("close", () => {
      this.#lost();
      owner.gone(this);
    });
    // What is sent to an end that is closed is only an error.
    socket.on("end", () => socket.destroy());
  }

  /** Whether it may be used again: it is open, and the server has not said that it closes it by now. */
  get isUsable(): boolean {
    return !this.#socket.destroyed && performance.now() < this.#keptUntilMs;
  }

  /** Sends a request. Rejects with ConnectionLost, or what the socket or the signal says. */
  send({ head, body, keepsBody }: WireRequest, signal: AbortSignal): Promise<WireAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<WireAnswer>();
    this.#exchange = { reader: new AnswerReader(keepsBody), resolve, reject, signal };
    signal.addEventListener("abort", this.#stop, { once: true });
    const socket = this.#socket;
    socket.cork();
    socket.write(head, "latin1");
    if (body.length > 0) socket.write(body);
    socket.uncork();
    if (signal.aborted) this.#stop();
    return promise;
  }

  /** Takes what was read; the bytes may be overwritten afterwards. */
  take(bytes: Buffer): void {
    const exchange = this.#exchange;
    // Nothing was asked: whatever that is, the next answer would be taken for another.
    if (!exchange) {
      this.#socket.destroy();
      return;
    }
    const { reader } = exchange;
    try {
      reader.push(bytes);
    } catch (error) {
      this.#socket.destroy();
      if (reader.head) this.#answer(reader.head);
      else this.#end()?.reject(error);
      return;
    }
    const { head } = reader;
    if (!head) return;
    if (reader.isDone) this.#done(head);
    else if (reader.bodyBytes > BODY_BYTES_MAX) this.#cut();
    else exchange.bodyTimer ??= setTimeout(this.#cut, BODY_TIME_MS);
  }

  /** Ends it at once. */
  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  #done(head: AnswerHead): void {
    const { hasMore } = this.#exchange!.reader;
    const socket = this.#socket;
    this.#answers += 1;
    // A server that answers before it has read the request will not read the rest of it.
    const isKept = head.isKept && !hasMore && socket.writableLength === 0 && head.status !== 101;
    if (isKept) this.#keptUntilMs = performance.now() + head.keptMs;
    else socket.destroy();
    this.#answer(head);
    if (isKept) this.#owner.free(this);
  }

  /** The rest of the body is not waited for. */
  readonly #cut = (): void => {
    this.#socket.destroy();
    this.#answer(this.#exchange!.reader.head!);
  };

  #answer(head: AnswerHead): void {
    const { body } = this.#exchange!.reader;
    this.#end()?.resolve({ head, body });
  }

  /** The attempt is over. */
  readonly #stop = (): void => {
    const head = this.#exchange?.reader.head;
    this.#socket.destroy();
    if (head) this.#answer(head);
    else this.#end()?.reject(timeoutFault("the request"));
  };

  readonly #lost = (error?: NodeJS.ErrnoException): void => {
    const reader = this.#exchange?.reader;
    if (!reader) return;
    reader.end();
    if (reader.head) this.#answer(reader.head);
    else if (error && error.code !== "ECONNRESET" && error.code !== "EPIPE") {
      this.#end()?.reject(error);
    } else {
      const isStale = this.#answers > 0 && !reader.hasBegun;
      const lost = new ConnectionLost(error?.code ?? "ECONNRESET", isStale, { cause: error });
      this.#end()?.reject(lost);
    }
  };

  #end(): Exchange | undefined {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.signal.removeEventListener("abort", this.#stop);
    clearTimeout(exchange?.bodyTimer);
    return exchange;
  }
}
