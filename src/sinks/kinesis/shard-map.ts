/** Which shard a record goes to: MD5 of its partition key, in the range of hash keys of an open shard. */
import { createHash } from "node:crypto";

/** An open shard and its hash keys, from 0 to 2^128 - 1, both ends included. */
export interface ShardRange {
  readonly id: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** The open shards at one time. */
export interface ShardMap {
  /** Id of the shard of a partition key; empty when it is not known. */
  shardOf(partitionKey: string): string;
  /** Ids of the shards; none when they are not known. */
  readonly ids: readonly string[];
  has(id: string): boolean;
}

/** What is known of a stream whose shards may not be listed: nothing, so all records are of one shard. */
export const UNKNOWN_SHARDS: ShardMap = {
  ids: [],
  has: (id) => id === "",
  shardOf: () => "",
};

/** Makes the map of open shards, in any order. */
export function createShardMap(ranges: readonly ShardRange[]): ShardMap {
  if (ranges.length === 0) return UNKNOWN_SHARDS;
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1));
  const ids = new Set(ranges.map(({ id }) => id));
  return {
    ids: [...ids],
    has: (id) => ids.has(id),
    shardOf(partitionKey) {
      if (sorted.length === 1) return sorted[0]!.id;
      const hashKey = hashKeyOf(partitionKey);
      let [low, high] = [0, sorted.length - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle]!.last < hashKey) low = middle + 1;
        else high = middle;
      }
      const found = sorted[low]!;
      return found.first <= hashKey && hashKey <= found.last ? found.id : "";
    },
  };
}

/** The hash key that Kinesis makes of a partition key. */
export function hashKeyOf(partitionKey: string): bigint {
  return BigInt(`0x${createHash("md5").update(partitionKey).digest("hex")}`);
}
