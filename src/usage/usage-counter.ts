/**
 * Counts what is stored on one shard while this node owns it: every message once, from the stored log,
 * so a crash anywhere on the way of a push changes nothing. The counts and the place up to which they
 * go are one transaction that only succeeds from the place where they began: an owner that was replaced
 * while it counted, and a commit whose answer was lost, count nothing twice.
 */
import { setTimeout as delay } from "node:timers/promises";
import { reasonOf } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { tallyRecordBatch } from "../core/record-tally.ts";
import { createDayCounts, type DayCounts } from "./day-counts.ts";
import { type CutOff, goBack } from "./lost-end.ts";
import type { UsageStore } from "./usage-store.ts";

/** Reads a shard; `ShardReader` of the bus does. */
export interface CountedLog {
  read(
    shard: number,
    options: {
      readonly fromSequence: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
      readonly signal?: AbortSignal;
    },
  ): Promise<LogMessage[]>;
  /** `lastSequence` of the newest message with records, `endSequence` of any that ever was. */
  info(shard: number): Promise<{
    readonly lastSequence: number;
    readonly endSequence: number;
    readonly identity: string;
  }>;
}

/** What a counter works with. */
export interface UsageCounterOptions {
  readonly shard: number;
  /** Newest sequence when ownership began: all above it is offered. */
  readonly edgeSequence: number;
  readonly log: CountedLog;
  readonly store: UsageStore;
  readonly logger: Logger;
  /**
   * Is told, before anything is counted, that the shard ends below what was counted of it: records are gone.
   * What it rejects with is tried again.
   */
  readonly onCutOff?: ((cut: CutOff) => Promise<void>) | undefined;
  /** How often counts are written; 1 s. */
  readonly flushMs?: number;
}

/** The counter of a shard. */
export interface UsageCounter {
  /** A message above the edge. Never throws. */
  offer(message: LogMessage): void;
  /**
   * Resolves when everything up to the sequence is counted for good. While Postgres is away it resolves
   * when it is counted in memory, so that the log does not fill up. Rejects after 10 s, and when the
   * counter ends.
   */
  reached(sequence: number): Promise<void>;
  /** Writes what is counted (within 2 s) and ends. Idempotent. */
  close(): Promise<void>;
}

const READ_MESSAGES = 512;
const READ_BYTES = 4 * 1024 * 1024;
const BEHIND_MS = 20;
const RETRY_MS = 500;
const CLOSE_MS = 2_000;
/** How long a caller of `reached` waits. */
const REACH_MS = 10_000;

/** Starts a counter. */
export function startUsageCounter(options: UsageCounterOptions): UsageCounter {
  const counter = new Counter(options);
  counter.start();
  return {
    offer: (message) => counter.offer(message),
    reached: (sequence) => counter.reached(sequence),
    close: () => counter.close(),
  };
}

class Counter {
  readonly #options: UsageCounterOptions;
  readonly #ending = new AbortController();
  /** What is counted above the mark. */
  #counts = createDayCounts();
  #identity = "";
  /** Everything up to here is counted for good. */
  #mark = 0;
  /** Everything up to here is counted in memory. */
  #position = 0;
  /** Newest sequence that was offered. */
  #edge: number;
  /** Whether everything up to the edge is counted, and the next offer follows on it. */
  #isLive = false;
  #isFailing = false;
  #running: Promise<void> = Promise.resolve();
  #flushing: Promise<void> | undefined;
  #wake = () => {};

  constructor(options: UsageCounterOptions) {
    this.#options = options;
    this.#edge = options.edgeSequence;
  }

  start(): void {
    this.#running = this.#run();
  }

  offer(message: LogMessage): void {
    this.#edge = message.sequence;
    if (!this.#isLive) return;
    try {
      this.#count(message);
    } catch {
      // It is read again, and the fault reported there.
      this.#isLive = false;
      this.#wake();
    }
  }

  async reached(sequence: number): Promise<void> {
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(REACH_MS)]);
    while (this.#mark < sequence) {
      if (this.#position >= sequence) {
        await this.#flush();
        if (this.#mark >= sequence || this.#isFailing) return;
      }
      await delay(BEHIND_MS, undefined, { signal });
    }
  }

  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new Error("the shard is not counted here any more"));
    this.#wake();
    const last = this.#running.then(() => this.#flush());
    await Promise.race([last, delay(CLOSE_MS, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { flushMs = 1_000, logger, shard } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        if (this.#identity === "") await this.#begin();
        if (!this.#isLive) await this.#catchUp();
        await this.#pause(flushMs);
        if (!signal.aborted) await this.#flush();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("usage cannot be counted for now", { shard, error });
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Ends early when something is to be done. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#ending.signal.aborted) this.#wake();
    });
  }

  /** Takes up the counting at the mark, and forgets what was counted above it. */
  async #begin(): Promise<void> {
    const { shard, log, store } = this.#options;
    const { identity, endSequence } = await log.info(shard);
    this.#isLive = false;
    const mark = await store.readMark({ shard, identity });
    const { signal } = this.#ending;
    // The mark may stand at a claim of the shard, behind the newest message with records.
    this.#mark =
      mark > endSequence
        ? await goBack({ shard, identity, counted: mark }, { ...this.#options, signal })
        : mark;
    this.#position = this.#mark;
    this.#counts = createDayCounts();
    this.#identity = identity;
  }

  /** Reads and counts until nothing is left below the edge. */
  async #catchUp(): Promise<void> {
    const { shard, log, flushMs = 1_000 } = this.#options;
    const { signal } = this.#ending;
    let flushedAt = performance.now();
    while (!this.#isLive && !signal.aborted) {
      const edge = this.#edge;
      const messages = await log.read(shard, {
        fromSequence: this.#position + 1,
        maxMessages: READ_MESSAGES,
        maxBytes: READ_BYTES,
        signal,
      });
      for (const message of messages) this.#count(message);
      if (performance.now() - flushedAt > flushMs) {
        await this.#flush();
        flushedAt = performance.now();
      }
      if (messages.length > 0) continue;
      // A replica may be behind, the leader is not.
      if ((await log.info(shard)).lastSequence > this.#position) {
        await delay(BEHIND_MS, undefined, { signal });
        continue;
      }
      this.#position = Math.max(this.#position, edge);
      if (this.#edge <= this.#position) this.#isLive = true;
    }
  }

  #count(message: LogMessage): void {
    if (message.sequence <= this.#position) return;
    for (const call of this.#tally(message)) this.#counts.add(message.logUid, call);
    this.#position = message.sequence;
  }

  /** What is damaged counts nothing; what a newer version wrote waits for one that can read it. */
  #tally({ data, sequence }: LogMessage) {
    try {
      return tallyRecordBatch(data);
    } catch (error) {
      if (reasonOf(error) !== "LOG_CORRUPT") throw error;
      const { shard, logger } = this.#options;
      logger.error("a stored message is damaged and not counted", { shard, sequence, error });
      return [];
    }
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#flushNow().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushNow(): Promise<void> {
    const { shard, store, logger } = this.#options;
    if (this.#identity === "" || this.#position <= this.#mark) return;
    const from = this.#mark;
    const to = this.#position;
    const counts = this.#counts;
    this.#counts = createDayCounts();
    try {
      const isDone = await store.commit({
        shard,
        identity: this.#identity,
        from,
        to,
        counts: counts.list(),
      });
      this.#isFailing = false;
      if (isDone) this.#mark = to;
      else this.#restart();
    } catch (error) {
      if (!this.#isFailing) logger.warn("usage cannot be written for now", { shard, error });
      this.#isFailing = true;
      await this.#settle({ from, to, counts });
    }
  }

  /** Finds out whether a commit without an answer was made. */
  async #settle(lost: {
    readonly from: number;
    readonly to: number;
    readonly counts: DayCounts;
  }): Promise<void> {
    const { shard, store } = this.#options;
    const mark = await store.readMark({ shard, identity: this.#identity }).catch(() => undefined);
    if (mark === lost.to) this.#mark = mark;
    else if (mark !== undefined && mark !== lost.from) this.#restart();
    else for (const count of lost.counts.list()) this.#counts.merge(count);
  }

  #restart(): void {
    this.#identity = "";
    this.#isLive = false;
    this.#counts = createDayCounts();
    this.#wake();
  }
}
