/** The counters of the shards that this node owns, and the stored bytes of their projects. */
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import {
  type CountedLog,
  startUsageCounter,
  type UsageCounter,
  type UsageCounterOptions,
} from "./usage-counter.ts";
import type { UsageStore } from "./usage-store.ts";

/** What the counters work with. */
export interface UsageCountersOptions {
  readonly log: CountedLog;
  readonly store: UsageStore;
  readonly logger: Logger;
  /** Bytes that shards hold, by the uid of the project; without those of which that is not known yet. */
  readonly storedBytesOf: (shards: readonly number[]) => Promise<StoredBytes>;
  /** See UsageCounterOptions. */
  readonly onCutOff?: UsageCounterOptions["onCutOff"];
  /** How often stored bytes are written; 5 s. */
  readonly storedEveryMs?: number;
}

type StoredBytes = ReadonlyMap<number, ReadonlyMap<string, number>>;

/** A shard's bytes that do not change are written again after so many rounds: another owner may have written. */
const ROUNDS_UNWRITTEN = 12;

/** Counts what is stored, where the shards are owned. */
export interface UsageCounters {
  /** This node owns the shard: counts it from its mark, on all nodes together. */
  onOwner(shard: number, edgeSequence: number): void;
  onStored(shard: number, message: LogMessage): void;
  onLost(shard: number): void;
  /** See `UsageCounter.reached`; at once where the shard is not owned. */
  reached(shard: number, sequence: number): Promise<void>;
  close(): Promise<void>;
}

/** Makes the counters; nothing is counted before a shard is owned. */
export function createUsageCounters(options: UsageCountersOptions): UsageCounters {
  const { log, store, logger, storedBytesOf, storedEveryMs = 5_000 } = options;
  const counters = new Map<number, UsageCounter>();
  const written = new Map<number, { readonly text: string; rounds: number }>();
  const end = async (shard: number) => {
    const counter = counters.get(shard);
    counters.delete(shard);
    written.delete(shard);
    await counter?.close();
  };
  const writeStored = async () => {
    for (const [shard, bytes] of await storedBytesOf([...counters.keys()])) {
      const text = JSON.stringify([...bytes].sort());
      const last = written.get(shard);
      if (last?.text === text && last.rounds++ < ROUNDS_UNWRITTEN) continue;
      await store.writeStoredBytes(shard, bytes);
      if (counters.has(shard)) written.set(shard, { text, rounds: 0 });
    }
  };
  let writing: Promise<void> | undefined;
  const timer = setInterval(() => {
    writing ??= writeStored()
      .catch((error: unknown) => logger.debug("stored bytes cannot be written", { error }))
      .finally(() => {
        writing = undefined;
      });
  }, storedEveryMs);
  timer.unref();
  return {
    onOwner(shard, edgeSequence) {
      const { onCutOff } = options;
      const input = { shard, edgeSequence, log, store, logger, onCutOff };
      counters.set(shard, startUsageCounter(input));
    },
    onStored: (shard, message) => counters.get(shard)?.offer(message),
    onLost: (shard) => void end(shard),
    reached: async (shard, sequence) => counters.get(shard)?.reached(sequence),
    async close() {
      clearInterval(timer);
      await Promise.all([...counters.keys()].map(end));
      await writing;
    },
  };
}
