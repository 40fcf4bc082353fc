/**
 * The port's own reader of HTTP/1.1 for pushes: a request in one piece costs one read and one write, and
 * none of the streams, events and timers of node:http, which take twice the CPU of a single push. It
 * takes only what `readWholeHead` reads, in bodies up to 64 KiB. At the first request of a connection
 * that is anything else, or too slow, the connection is handed over to node:http for good, with the
 * bytes that are not answered yet; so all limits of node:http hold.
 */
import type { Socket } from "node:net";
import type { WholeRequest, WholeResponse } from "../core/whole-message.ts";
import type { PortLimits } from "./limits.ts";
import { WholeAnswer } from "./whole-answer.ts";
import { readWholeHead, type WholeHead } from "./whole-head.ts";

/** Serves a whole request; undefined when it is not for a lane. Nothing was sent then. */
export type WholeHandler = (
  request: WholeRequest,
  response: WholeResponse,
  peer: string | undefined,
) => Promise<void> | undefined;

/** What the reader works with. */
export interface WholeHttp1Options {
  readonly limits: PortLimits;
  readonly handle: WholeHandler;
  /** Whether a request with this head may be for a lane. */
  readonly isWanted: (head: Pick<WholeHead, "url" | "headers">) => boolean;
  /** Takes a connection, paused, whose unanswered bytes are put back. */
  readonly handOver: (socket: Socket) => void;
  /** Answers a connection whose caller ended it within a request, and closes it. */
  readonly refuse: (socket: Socket) => void;
  readonly isDraining: () => boolean;
}

/** The reader. */
export interface WholeHttp1 {
  /** Takes a paused connection that speaks HTTP/1.1. */
  take(socket: Socket): void;
  /** Ends connections without a request under way. */
  closeIdle(): void;
  /** Stops the look-outs; connections stay. */
  close(): void;
}

/** Bodies above it are left to node:http. */
const BODY_BYTES_MAX = 64 * 1024;
/** A request in more pieces is left to node:http, which does not join them piece by piece. */
const PIECES_MAX = 16;
/** Bytes of unfinished requests, all connections together; beyond it they go to node:http. */
const PARTIAL_BYTES_MAX = 16 * 1024 * 1024;
/** A request whose bytes take longer to arrive goes to node:http, which limits its time. */
const PARTIAL_MS = 500;

/** Makes the reader. */
export function createWholeHttp1(options: WholeHttp1Options): WholeHttp1 {
  const connections = new Set<Connection>();
  const shared: Shared = {
    ...options,
    connections,
    headLimits: { headerPairs: options.limits.headerPairs, bodyBytes: BODY_BYTES_MAX },
    partialBytes: 0,
    nowMs: performance.now(),
  };
  const look = () => {
    shared.nowMs = performance.now();
    for (const connection of connections) connection.look();
  };
  const timer = setInterval(look, options.limits.checkIntervalMs);
  timer.unref();
  return {
    take: (socket) => void new Connection(shared, socket),
    closeIdle: () => {
      for (const connection of connections) connection.closeIdle();
    },
    close: () => clearInterval(timer),
  };
}

/** What all connections have in common. */
interface Shared extends WholeHttp1Options {
  readonly connections: Set<Connection>;
  readonly headLimits: { readonly headerPairs: number; readonly bodyBytes: number };
  /** Bytes that wait for the rest of their request. */
  partialBytes: number;
  /** Time of the last look, in `performance.now()` terms. */
  nowMs: number;
}

class Connection {
  readonly #shared: Shared;
  readonly #socket: Socket;
  /** The last head: most callers send the same one again and again. */
  #head: WholeHead | undefined;
  /** Bytes that have arrived and belong to no request that was taken. */
  #rest: Buffer | undefined;
  #pieces = 0;
  #restSinceMs = 0;
  /** The request under way. */
  #answer: WholeAnswer | undefined;
  #answered = 0;
  #lastMs: number;
  #isEnded = false;

  constructor(shared: Shared, socket: Socket) {
    this.#shared = shared;
    this.#socket = socket;
    this.#lastMs = shared.nowMs;
    shared.connections.add(this);
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose);
    socket.resume();
  }

  /** Sends the one answer; for `WholeAnswer`. */
  send(head: string, body: string | Uint8Array): void {
    const { limits, isDraining } = this.#shared;
    const isLast = ++this.#answered >= limits.requestsPerSocket || isDraining();
    this.#answer = undefined;
    this.#lastMs = this.#shared.nowMs;
    const end = isLast
      ? "Connection: close\r\n\r\n"
      : `Connection: keep-alive\r\nKeep-Alive: timeout=${limits.keepAliveMs / 1000}\r\n\r\n`;
    if (typeof body === "string") this.#socket.write(head + end + body, "utf8");
    else {
      this.#socket.cork();
      this.#socket.write(head + end, "latin1");
      this.#socket.write(body);
      this.#socket.uncork();
    }
    if (isLast) {
      this.#stop();
      this.#socket.destroySoon();
    } else if (this.#rest || this.#isEnded) {
      // Its bytes had to wait; they are not slow.
      this.#restSinceMs = performance.now();
      setImmediate(this.#next);
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Hands slow requests over and ends silent connections. */
  look(): void {
    const { nowMs, limits } = this.#shared;
    if (this.#answer) return;
    if (this.#rest) {
      if (nowMs - this.#restSinceMs >= Math.min(PARTIAL_MS, limits.checkIntervalMs)) {
        this.#handOver(this.#rest);
      }
    } else if (nowMs - this.#lastMs > limits.keepAliveMs + limits.checkIntervalMs) {
      this.#socket.destroy();
    }
  }

  closeIdle(): void {
    if (!this.#answer && !this.#rest) this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#answer) this.#advance(bytes);
    else {
      this.#keep(bytes);
      // A caller that sends on without reading answers waits.
      if (bytes.length > BODY_BYTES_MAX) this.#socket.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    if (this.#answer) return;
    if (this.#rest) this.#handOver(this.#rest);
    else this.#socket.destroySoon();
  };

  readonly #onClose = (): void => {
    this.#stop();
    this.#answer?.callerHasGone();
  };

  /** Goes on with what arrived meanwhile, when the caller takes its answers. */
  readonly #next = (): void => {
    if (this.#socket.destroyed || this.#answer) return;
    if (this.#socket.writableNeedDrain) {
      this.#socket.once("drain", this.#next);
      return;
    }
    if (this.#rest) this.#advance(this.#rest);
    if (this.#isEnded && !this.#answer && !this.#rest) this.#socket.destroySoon();
    else if (this.#socket.isPaused()) this.#socket.resume();
  };

  #advance(bytes: Buffer): void {
    const head = this.#headOf(bytes);
    if (!head) {
      this.#handOver(bytes);
      return;
    }
    const size =
      head === "more" ? Number.POSITIVE_INFINITY : head.bytes.length + head.contentLength;
    if (bytes.length < size || head === "more") {
      this.#keep(bytes);
      if (
        this.#isEnded ||
        this.#pieces > PIECES_MAX ||
        this.#shared.partialBytes > PARTIAL_BYTES_MAX
      ) {
        this.#handOver(bytes);
      }
      return;
    }
    this.#keep(bytes.length > size ? bytes.subarray(size) : undefined);
    this.#serve(head, bytes, size);
  }

  #serve({ bytes: head, method, url, headers }: WholeHead, bytes: Buffer, size: number): void {
    const body = bytes.subarray(head.length, size);
    const answer = new WholeAnswer(this);
    this.#answer = answer;
    const request = { method, url, headers, httpVersionMajor: 1 as const, body };
    if (this.#shared.handle(request, answer, this.#socket.remoteAddress)) return;
    this.#answer = undefined;
    this.#handOver(bytes);
  }

  #headOf(bytes: Buffer): WholeHead | "more" | undefined {
    const known = this.#head;
    if (known && bytes.length >= known.bytes.length) {
      if (known.bytes.compare(bytes, 0, known.bytes.length) === 0) return known;
    }
    const { headLimits, isWanted } = this.#shared;
    const head = readWholeHead(bytes, headLimits);
    if (head === "more") return head;
    this.#head = head && isWanted(head) ? head : undefined;
    return this.#head;
  }

  #keep(rest: Buffer | undefined): void {
    if (rest === undefined && this.#rest === undefined) return;
    const before = this.#rest?.length ?? 0;
    this.#shared.partialBytes += (rest?.length ?? 0) - before;
    this.#pieces = rest === undefined ? 0 : this.#pieces + 1;
    if (before === 0) this.#restSinceMs = performance.now();
    this.#rest = rest;
  }

  #handOver(bytes: Buffer): void {
    this.#stop();
    const socket = this.#socket;
    // Bytes cannot be put back behind the end of a stream.
    if (this.#isEnded) this.#shared.refuse(socket);
    if (this.#isEnded || socket.destroyed) return;
    socket.pause();
    socket.unshift(bytes);
    this.#shared.handOver(socket);
  }

  #stop(): void {
    this.#keep(undefined);
    this.#shared.connections.delete(this);
    const socket = this.#socket;
    socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#next);
    // What has no answer yet must still hear of its end.
    if (!this.#answer) socket.off("close", this.#onClose);
  }
}
