/** One connection of the port's own reader of HTTP/1.1; see whole-http1.ts. */
import type { Socket } from "node:net";
import { readDirectly } from "./direct-read.ts";
import { PendingBytes } from "./pending-bytes.ts";
import { WholeAnswer } from "./whole-answer.ts";
import { readWholeHead, type WholeHead } from "./whole-head.ts";
import type { WholeHttp1Options } from "./whole-http1.ts";

/** A head in more pieces is left to node:http, which does not look at it again for each. */
const HEAD_PIECES_MAX = 16;
/** Bytes that wait behind a request before its caller has to. */
const AHEAD_BYTES_MAX = 64 * 1024;
/**
 * Bytes of requests that are unfinished or unanswered, all connections together. Beyond it requests go
 * to node:http, whose bodies are admitted before they are read.
 */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
/** A request whose bytes take longer to arrive goes to node:http, which limits its time. */
const PARTIAL_MS = 500;

/** What all connections have in common. */
export interface SharedByConnections extends WholeHttp1Options {
  readonly connections: Set<WholeConnection>;
  /** The last lines of an answer whose connection stays. */
  readonly keepAliveEnd: string;
  readonly headLimits: { readonly headerPairs: number; readonly bodyBytes: number };
  /** Bytes of requests that are unfinished or unanswered. */
  heldBytes: number;
  /** Time of the last look, in `performance.now()` terms. */
  nowMs: number;
}

/** See above. Its requests are served one after the other. */
export class WholeConnection {
  readonly #shared: SharedByConnections;
  readonly #socket: Socket;
  /** The last head: most callers send the same one again and again. */
  #head: WholeHead | undefined;
  /** Bytes that have arrived and belong to no request that was taken. */
  readonly #pending = new PendingBytes();
  /** Bytes of the request whose head is known and whose body is not there yet; else 0. */
  #wanted = 0;
  #pieces = 0;
  #pendingSinceMs = 0;
  /** The request under way, and its bytes. */
  #answer: WholeAnswer | undefined;
  #servedBytes = 0;
  #heldBytes = 0;
  #answered = 0;
  #lastMs: number;
  #isEnded = false;
  /** Whether answers wait for their caller, whose next request waits too. */
  #isFull = false;
  #isOver = false;

  constructor(shared: SharedByConnections, socket: Socket) {
    this.#shared = shared;
    this.#socket = socket;
    this.#lastMs = shared.nowMs;
    shared.connections.add(this);
    socket.on("data", this.#onBytes).on("end", this.#onEnd).on("close", this.#onClose);
    // What the socket holds already comes by its event.
    readDirectly(socket, this.#onBytes);
    socket.resume();
  }

  /** Sends the one answer; for `WholeAnswer`. */
  send(head: string, body: string | Uint8Array): void {
    const { limits, isDraining } = this.#shared;
    const isLast = ++this.#answered >= limits.requestsPerSocket || isDraining();
    this.#answer = undefined;
    this.#servedBytes = 0;
    this.#account();
    this.#lastMs = this.#shared.nowMs;
    const end = isLast ? "Connection: close\r\n\r\n" : this.#shared.keepAliveEnd;
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
    } else if (this.#pending.length > 0 || this.#isEnded || this.#socket.writableNeedDrain) {
      // Its bytes had to wait; they are not slow.
      this.#pendingSinceMs = performance.now();
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
    if (this.#pending.length > 0 && !this.#isFull) {
      if (nowMs - this.#pendingSinceMs >= Math.min(PARTIAL_MS, limits.checkIntervalMs)) {
        this.#handOver(this.#pending.view());
      }
    } else if (nowMs - this.#lastMs > limits.keepAliveMs + limits.checkIntervalMs) {
      this.#socket.destroy();
    }
  }

  closeIdle(): void {
    if (!this.#isBusy() && this.#pending.length === 0) this.#socket.destroy();
  }

  /** Takes bytes that are only lent. */
  readonly #onBytes = (chunk: Buffer): void => {
    if (this.#isOver) {
      // Read before the socket had another owner; what it held then went ahead.
      if (!this.#socket.destroyed) this.#socket.push(Buffer.from(chunk));
      return;
    }
    if (this.#pending.length === 0 && !this.#isBusy()) {
      this.#advance(chunk, false);
      return;
    }
    this.#keep(chunk);
    if (!this.#isBusy()) {
      if (this.#pending.length >= this.#wanted) this.#advance(this.#pending.view(), true);
    } else if (this.#pending.length > AHEAD_BYTES_MAX) {
      // A caller that sends on without reading answers waits.
      this.#socket.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    if (this.#isBusy()) return;
    if (this.#pending.length > 0) this.#handOver(this.#pending.view());
    else this.#socket.destroySoon();
  };

  readonly #onClose = (): void => {
    this.#stop();
    this.#servedBytes = 0;
    this.#account();
    this.#answer?.callerHasGone();
  };

  /** Goes on with what arrived meanwhile, when the caller takes its answers. */
  readonly #next = (): void => {
    if (this.#socket.destroyed || this.#isBusy()) return;
    if (this.#socket.writableNeedDrain) {
      this.#isFull = true;
      this.#socket.once("drain", this.#onDrain);
      return;
    }
    if (this.#pending.length > 0) this.#advance(this.#pending.view(), true);
    if (this.#isEnded && !this.#answer && this.#pending.length === 0) this.#socket.destroySoon();
    else if (this.#socket.isPaused()) this.#socket.resume();
  };

  readonly #onDrain = (): void => {
    this.#isFull = false;
    this.#next();
  };

  #isBusy(): boolean {
    return this.#answer !== undefined || this.#isFull;
  }

  /** Serves the first request of the bytes, or waits for its rest. */
  #advance(bytes: Buffer, isPending: boolean): void {
    const head = this.#headOf(bytes);
    if (!head) {
      this.#handOver(bytes);
      return;
    }
    const size = head === "more" ? 0 : head.bytes.length + head.contentLength;
    if (head === "more" || bytes.length < size) {
      this.#wanted = size;
      if (isPending) this.#pending.reserve(size);
      else this.#keep(bytes);
      this.#account();
      const isHeld = this.#shared.heldBytes > HELD_BYTES_MAX;
      if (this.#isEnded || this.#pieces > HEAD_PIECES_MAX || isHeld) {
        this.#handOver(this.#pending.view());
      }
      return;
    }
    // What is pending is not written any more, lent bytes are.
    const start = head.bytes.length;
    const body = isPending ? bytes.subarray(start, size) : copyOf(bytes, start, size);
    if (isPending) this.#pending.drop(size);
    else if (bytes.length > size) this.#keep(bytes.subarray(size));
    this.#wanted = 0;
    this.#pieces = 0;
    this.#servedBytes = size;
    this.#account();
    this.#serve(head, body);
  }

  #serve(head: WholeHead, body: Buffer): void {
    const { method, url, headers } = head;
    const answer = new WholeAnswer(this);
    this.#answer = answer;
    const request = { method, url, headers, httpVersionMajor: 1 as const, body };
    if (this.#shared.handle(request, answer, this.#socket.remoteAddress)) return;
    this.#answer = undefined;
    this.#handOver(Buffer.concat([head.bytes, body, this.#pending.view()]));
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

  /** Keeps a copy of bytes that cannot be served yet. */
  #keep(chunk: Buffer): void {
    if (this.#pending.length === 0) this.#pendingSinceMs = performance.now();
    if (this.#wanted === 0 && !this.#answer) this.#pieces++;
    this.#pending.reserve(this.#wanted);
    this.#pending.add(chunk);
    this.#account();
  }

  #account(): void {
    const held = this.#pending.capacity + this.#servedBytes;
    this.#shared.heldBytes += held - this.#heldBytes;
    this.#heldBytes = held;
  }

  #handOver(lent: Buffer): void {
    const bytes = Buffer.from(lent);
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
    this.#isOver = true;
    this.#pending.clear();
    this.#servedBytes = 0;
    this.#account();
    this.#shared.connections.delete(this);
    const socket = this.#socket;
    socket.off("data", this.#onBytes).off("end", this.#onEnd).off("drain", this.#onDrain);
    // What has no answer yet must still hear of its end.
    if (!this.#answer) socket.off("close", this.#onClose);
  }
}

/** Small copies share memory, which costs a tenth of an allocation of their own. */
function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
