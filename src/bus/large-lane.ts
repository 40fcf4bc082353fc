import { setImmediate as nextTurn } from "node:timers/promises";
import { createCommitQueue, type PendingCall } from "./commit-queue.ts";
import { MAX_BATCH_MESSAGES } from "./publisher.ts";
import type { ShardCommit } from "./shard-commit.ts";

/** A call above it is large: its bytes take longer than a usual publish from end to end. */
export const LARGE_BYTES = 1024 * 1024;

export interface LargeLaneOptions {
  /** On a connection of its own, which sends in slices. */
  readonly commit: ShardCommit;
  /** Resolves when the fate of all calls of the log that came before, by the usual lane, is settled. */
  readonly passed: (pending: PendingCall) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * The lane of large calls of one shard: while one is under way, small calls of other logs go on beside
 * it. Order within a log holds because a large call waits for those of its log that came before, and
 * what comes behind it, however small, takes the same lane until that log has nothing here any more.
 * One publish is under way, in turns between projects; small calls that had to follow share one.
 */
export class LargeLane {
  readonly #options: LargeLaneOptions;
  readonly #queue = createCommitQueue();
  /** Calls without an answer. */
  readonly #calls = new Set<PendingCall>();
  /** Logs of all calls that are queued or under way. */
  #logs = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: LargeLaneOptions) {
    this.#options = options;
  }

  /** Whether a call has to take this lane. */
  isFor(pending: PendingCall): boolean {
    return pending.bytes > LARGE_BYTES || this.#logs.has(pending.call.logUid);
  }

  push(pending: PendingCall): void {
    this.#calls.add(pending);
    this.#logs.add(pending.call.logUid);
    this.#queue.push(pending);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is under way any more; the signal has to end it. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { commit, passed, signal } = this.#options;
    await nextTurn();
    try {
      while (!this.#queue.isEmpty() && !signal.aborted) {
        const calls = this.#queue.take({
          maxMessages: MAX_BATCH_MESSAGES,
          maxBytes: LARGE_BYTES,
          maxShare: 1,
        });
        for (const pending of calls) await passed(pending);
        await commit.commit(calls);
        this.#forgetSettled();
      }
    } finally {
      this.#running = undefined;
    }
  }

  /** Only here: what is settled for its caller alone may still be on its way until a publish has ended. */
  #forgetSettled(): void {
    this.#logs = new Set();
    for (const pending of this.#calls) {
      if (pending.isSettled) this.#calls.delete(pending);
      else this.#logs.add(pending.call.logUid);
    }
  }
}
