/** The open shards of a data stream and the pace of each, as long as the stream is open. */
import { once } from "node:events";
import type { Logger } from "../../core/logger.ts";
import { createPace, NO_LIMITS, type Pace, SHARD_LIMITS } from "./pace.ts";
import { createShardMap, type ShardMap, type ShardRange, UNKNOWN_SHARDS } from "./shard-map.ts";

/** How old the list of shards may be, and how soon it is asked for again when it is seen to be wrong. */
const AGE_MAX_MS = 60_000;
const AGE_MIN_MS = 1_000;
const LIST_TIMEOUT_MS = 5_000;

/** What is known of the shards. */
export interface Shards {
  /**
   * The open shards; asks for them when they are old, or were seen to have changed. Never fails: what is
   * not known when `signal` ends stays unknown.
   */
  look(signal: AbortSignal): Promise<ShardMap>;
  /** Pace of the shard that a partition key belongs to now. */
  paceOf(partitionKey: string): Pace;
  /** Whether a key belongs to this shard, as far as is known. */
  isIn(partitionKey: string, shardId: string): boolean;
  /** A record of this key is in this shard: another one than expected means that the stream was resharded. */
  seen(partitionKey: string, shardId: string): void;
}

/** Where shards are listed from. */
export interface ShardsOptions {
  readonly list: (signal: AbortSignal) => Promise<readonly ShardRange[]>;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** Makes it; the shards are asked for at the first look. */
export function createShards({
  list,
  logger,
  now = () => performance.now(),
}: ShardsOptions): Shards {
  let map = UNKNOWN_SHARDS;
  let askedAt = Number.NEGATIVE_INFINITY;
  let isChanged = false;
  let asking: Promise<void> | undefined;
  const paces = new Map<string, Pace>();
  const ask = async () => {
    askedAt = now();
    isChanged = false;
    try {
      const found = createShardMap(await list(AbortSignal.timeout(LIST_TIMEOUT_MS)));
      // Only a map that differs is another one: what is put in order waits where the map changes.
      if (!isSame(found, map)) map = found;
      for (const id of paces.keys()) if (!map.has(id)) paces.delete(id);
    } catch (error) {
      // Without the list the stream is used as if it had one shard, whose limits are not known.
      logger.debug("shards are not listed", { error });
    }
  };
  return {
    async look(signal) {
      const age = now() - askedAt;
      if (age >= AGE_MAX_MS || (isChanged && age >= AGE_MIN_MS)) {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
      }
      if (asking && !signal.aborted) await Promise.race([asking, once(signal, "abort")]);
      return map;
    },
    paceOf(partitionKey) {
      const id = map.shardOf(partitionKey);
      let pace = paces.get(id);
      if (!pace) {
        pace = createPace(id === "" ? NO_LIMITS : SHARD_LIMITS, now);
        paces.set(id, pace);
      }
      return pace;
    },
    isIn: (partitionKey, shardId) => isIn(map, partitionKey, shardId),
    seen(partitionKey, shardId) {
      if (!isIn(map, partitionKey, shardId)) isChanged = true;
    },
  };
}

function isIn(map: ShardMap, partitionKey: string, shardId: string): boolean {
  return map.ids.length === 0 || map.shardOf(partitionKey) === shardId;
}

function isSame(one: ShardMap, other: ShardMap): boolean {
  return one.ids.length === other.ids.length && one.ids.every((id) => other.has(id));
}
