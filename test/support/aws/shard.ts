/** A shard of a data stream, which takes what Kinesis publishes: 1,000 records and 1 MiB in any second. */

const RECORDS_PER_S = 1_000;
const BYTES_PER_S = 1024 * 1024;

/** One shard. */
export interface TestShard {
  readonly id: string;
  readonly first: bigint;
  readonly last: bigint;
  isOpen: boolean;
  /** Records that it took, and that it refused because of its limits. */
  taken: number;
  refused: number;
  /** Takes a record, unless that is too much for this second. */
  take(bytes: number): boolean;
}

/** Makes one with the hash keys from `first` to `last`. */
export function createShard(number: number, first: bigint, last: bigint): TestShard {
  const recent: { timeMs: number; bytes: number }[] = [];
  let bytesOfSecond = 0;
  const shard: TestShard = {
    id: `shardId-${`${number}`.padStart(12, "0")}`,
    first,
    last,
    isOpen: true,
    taken: 0,
    refused: 0,
    take(bytes) {
      const timeMs = performance.now();
      while (recent[0] && recent[0].timeMs <= timeMs - 1_000)
        bytesOfSecond -= recent.shift()!.bytes;
      if (recent.length >= RECORDS_PER_S || bytesOfSecond + bytes > BYTES_PER_S) {
        shard.refused++;
        return false;
      }
      recent.push({ timeMs, bytes });
      bytesOfSecond += bytes;
      shard.taken++;
      return true;
    },
  };
  return shard;
}

/** Shards of equal ranges. */
export function createShards(count: number): TestShard[] {
  const width = 2n ** 128n / BigInt(count);
  return Array.from({ length: count }, (_, i) => {
    const last = i === count - 1 ? 2n ** 128n - 1n : width * BigInt(i + 1) - 1n;
    return createShard(i, width * BigInt(i), last);
  });
}
