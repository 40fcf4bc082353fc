import type { KinesisClient, Shard } from "@aws-sdk/client-kinesis";
import type { ShardRange } from "./shard-map.ts";

/** Pages of up to 1,000 shards that are read at most: far beyond what one account may have. */
const PAGES_MAX = 100;

/** The shards of a data stream that take records now. Throws errors of the client. */
export async function listShards(
  client: KinesisClient,
  StreamName: string,
  abortSignal: AbortSignal,
): Promise<ShardRange[]> {
  const { ListShardsCommand } = await import("@aws-sdk/client-kinesis");
  const ranges: ShardRange[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    // A further page may name nothing but its token.
    const input = next
      ? { NextToken: next }
      : { StreamName, ShardFilter: { Type: "AT_LATEST" as const } };
    const { Shards = [], NextToken } = await client.send(new ListShardsCommand(input), {
      abortSignal,
    });
    ranges.push(...Shards.filter(isOpen).map(toRange));
    next = NextToken;
    if (!next) break;
  }
  return ranges;
}

/** Services that do not know the filter list closed shards too. */
function isOpen({ SequenceNumberRange: range }: Shard): boolean {
  return range?.EndingSequenceNumber === undefined;
}

function toRange({ ShardId, HashKeyRange: range }: Shard): ShardRange {
  const first = BigInt(range?.StartingHashKey ?? 0);
  return { id: ShardId ?? "", first, last: BigInt(range?.EndingHashKey ?? 2n ** 128n - 1n) };
}
