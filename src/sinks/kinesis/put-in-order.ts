/** Puts what is left of a request one by one in each shard, and never loses the order of a key. */
import { TRIES_MAX } from "../aws/backoff.ts";
import { type IndexedRecord, type PutLimits, recordsOf } from "../aws/put-many.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRequest } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { StreamClient } from "./client.ts";
import type { Lanes } from "./lanes.ts";
import { waitForShards } from "./pace.ts";
import type { Shards } from "./shards.ts";

/** What Kinesis takes: a record with its partition key, and the records of one PutRecords with theirs. */
export const KINESIS_LIMITS: PutLimits = {
  service: "Kinesis",
  recordBytesMax: 1024 * 1024,
  recordsMax: 500,
  callBytesMax: 5 * 1024 * 1024,
  isKeyCounted: true,
};
/** Keys whose last sequence number is remembered (D5). */
const KEYS_MAX = 10_000;

/** A data stream that is open for records in order. */
export interface OrderedStream {
  readonly client: StreamClient;
  readonly shards: Shards;
  readonly inLane: Lanes;
  /** Of each partition key that was put, the last: its sequence number, and the shard that it is in. */
  readonly last: Map<string, { readonly number: string; readonly shardId: string }>;
}

/** What is put. */
interface Putting {
  readonly progress: RowProgress;
  readonly request: SinkRequest;
  readonly signal: AbortSignal;
}

/**
 * Each record behind the one before of its shard, the shards side by side. Throws SinkFault, when all have
 * ended, of the first that stopped at a record that is not stored.
 */
export async function putInOrder(stream: OrderedStream, putting: Putting): Promise<void> {
  const { progress, request, signal } = putting;
  const map = await stream.shards.look(signal);
  const records = recordsOf(progress, request, KINESIS_LIMITS);
  const byShard = Map.groupBy(records, ({ partitionKey }) => map.shardOf(partitionKey));
  const ends = await Promise.allSettled(
    [...byShard].map(([shard, own]) =>
      // In strict order one record of a partition is in flight for a shard.
      stream.inLane(map, `${request.partition} ${shard}`, async () => {
        for (const record of own) {
          await put(stream, record, signal);
          progress[record.index] = { kind: "delivered" };
        }
      }),
    ),
  );
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** Puts one record in the time of its shard, as often as one attempt may. */
async function put(stream: OrderedStream, record: IndexedRecord, signal: AbortSignal) {
  for (let tries = 1; ; tries++) {
    await stream.shards.look(signal);
    const pace = stream.shards.paceOf(record.partitionKey);
    while (!pace.take(record.size)) await waitForShards(pace.waitMs(), signal);
    try {
      if (signal.aborted) throw new SinkFault("TIMEOUT", "the time of one attempt has passed");
      return await putOnce(stream, record, signal);
    } catch (error) {
      if (!(error instanceof SinkFault) || error.reason !== "THROTTLED") throw error;
      pace.refuse(tries);
      if (tries > TRIES_MAX) throw error;
    } finally {
      pace.answered(record.size);
    }
  }
}

async function putOnce(stream: OrderedStream, record: IndexedRecord, signal: AbortSignal) {
  const { client, shards, last } = stream;
  const { partitionKey } = record;
  const before = last.get(partitionKey);
  // The first record of a key in the child of a shard has none before it there.
  const isInShard = before !== undefined && shards.isIn(partitionKey, before.shardId);
  const after = isInShard ? before.number : undefined;
  const stored = await client.put(record, after, signal).catch(async (error: unknown) => {
    // The stream was resharded meanwhile, and the number is that of the parent.
    if (after === undefined || !client.isNumberRefused(error)) throw error;
    return client.put(record, undefined, signal);
  });
  shards.seen(partitionKey, stored.shardId);
  last.delete(partitionKey);
  last.set(partitionKey, stored);
  if (last.size > KEYS_MAX) last.delete(last.keys().next().value!);
}
