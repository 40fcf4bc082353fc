/**
 * Brings the messages of one log to one sink, in order, each once: from the live edge of the shard
 * while the sink keeps up, else by reading from the sink's own position until it is at the edge again.
 * A sink at the edge costs nothing: no timer, no consumer.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LogMessage, LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";

const READ_MESSAGES = 256;
const READ_BYTES = 2 * 1024 * 1024;
const RETRY_MS = 500;
/** How long a replica that is behind is given. */
const BEHIND_MS = 20;

/** The newest sequence that the shard's owner has dispatched, of any log; everything above will come. */
export interface ShardEdge {
  readonly sequence: number;
}

/** Where messages go. */
export interface FeedTarget {
  /** Whether another message may be taken now (D5). */
  hasRoom(): boolean;
  accept(message: LogMessage): void;
  /** The feed has passed messages or reached the edge. */
  advanced(): void;
  /** Newest message of the log that is known; Infinity when nobody has looked yet. */
  readonly newestKnown: number;
}

/** What a feed needs. */
export interface FeedOptions {
  readonly log: { readonly shard: number; readonly uid: string };
  readonly reader: LogReader;
  readonly edge: ShardEdge;
  readonly target: FeedTarget;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The feed of one sink. Closed by its signal. */
export class Feed {
  readonly #options: FeedOptions;
  #position: number;
  #isBehind = true;
  #isReading = false;
  #isGated = true;
  /** Grows with every seek, so that a read that was under way is dropped. */
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FeedOptions, position: number) {
    this.#options = options;
    this.#position = position;
    options.signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Every message of the log below this sequence was given to the target. */
  get position(): number {
    return this.#position;
  }

  /** Whether everything that is stored was given to the target. */
  get isAtEdge(): boolean {
    return !this.#isBehind;
  }

  /** A message of this log at the edge. */
  offer(message: LogMessage): void {
    if (message.sequence < this.#position) return;
    const { target, signal } = this.#options;
    if (signal.aborted) return;
    if (this.#isBehind || this.#isGated || this.#isReading || !target.hasRoom()) {
      this.#isBehind = true;
      this.pump();
      return;
    }
    try {
      target.accept(message);
    } catch {
      // It is read again, and the fault reported where reads are.
      this.#isBehind = true;
      this.pump();
      return;
    }
    this.#position = message.sequence + 1;
    target.advanced();
  }

  /** Stops taking messages, for a target that has to wait for long; it takes them again from `position`. */
  stop(position: number): void {
    this.#isGated = true;
    this.#isBehind = true;
    this.#position = position;
    this.#turn += 1;
  }

  /** Whether `stop` was called after the last `seek`. */
  get isStopped(): boolean {
    return this.#isGated;
  }

  /** Takes messages from this sequence on (again). */
  seek(position: number): void {
    this.#turn += 1;
    this.#position = position;
    this.#isGated = false;
    this.#isBehind = true;
    this.pump();
  }

  /** Reads on when there is something to read and room for it. */
  pump(): void {
    if (!this.#isBehind || this.#isReading || this.#isGated || this.#timer) return;
    if (this.#options.signal.aborted || !this.#options.target.hasRoom()) return;
    this.#isReading = true;
    void this.#catchUp();
  }

  async #catchUp(): Promise<void> {
    const { target, signal, logger } = this.#options;
    try {
      while (this.#isBehind && !this.#isGated && !signal.aborted && target.hasRoom()) {
        await this.#readOnce();
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.warn("the log could not be read for a sink", {
        log: this.#options.log.uid,
        error: String(error),
      });
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.pump();
      }, RETRY_MS);
    } finally {
      this.#isReading = false;
    }
    this.pump();
  }

  async #readOnce(): Promise<void> {
    const { reader, log, edge, target, signal } = this.#options;
    const turn = this.#turn;
    const edgeBefore = edge.sequence;
    const newestBefore = target.newestKnown;
    const messages = await reader.read(log, {
      fromSequence: this.#position,
      maxMessages: READ_MESSAGES,
      maxBytes: READ_BYTES,
      signal,
    });
    if (turn !== this.#turn || signal.aborted) return;
    for (const message of messages) {
      // What was read is kept even without room: a read is bounded, and reading it again costs more.
      target.accept(message);
      this.#position = message.sequence + 1;
    }
    if (messages.length === 0) {
      const isEnd = this.#position > newestBefore || (await this.#isEnd());
      if (!isEnd || turn !== this.#turn || signal.aborted) return;
      this.#position = Math.max(this.#position, edgeBefore + 1);
    }
    // Messages above the edge will be offered; those up to it were read.
    if (this.#position > edge.sequence) this.#isBehind = false;
    target.advanced();
  }

  /**
   * A read may be answered by a replica that has not heard of the newest messages; what it does not
   * give would be passed for ever. So the end is believed only when the leader knows it too.
   */
  async #isEnd(): Promise<boolean> {
    const { reader, log, signal } = this.#options;
    const { lastSequence } = await reader.info(log);
    if (lastSequence < this.#position) return true;
    await delay(BEHIND_MS, undefined, { signal });
    return false;
  }
}
