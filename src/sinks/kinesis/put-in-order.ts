/** Puts what is left of a request one by one, and never loses the order of a key. */

import { type PutLimits, recordsOf, withBackOff } from "../aws/put-many.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRequest } from "../sink.ts";
import type { StreamClient } from "./client.ts";

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

/** What is put, and where. */
export interface PuttingInOrder {
  readonly client: StreamClient;
  readonly request: SinkRequest;
  readonly signal: AbortSignal;
}

/** The last sequence number of each partition key that was put in order. */
export type LastNumbers = Map<string, string>;

/** One by one, each behind the one before. Throws SinkFault at the first that is not stored. */
export async function putInOrder(
  progress: RowProgress,
  lastNumbers: LastNumbers,
  { client, request, signal }: PuttingInOrder,
): Promise<void> {
  for (const record of recordsOf(progress, request, KINESIS_LIMITS)) {
    const { partitionKey } = record;
    const last = lastNumbers.get(partitionKey);
    const number = await withBackOff(signal, () => client.put(record, last, signal));
    lastNumbers.delete(partitionKey);
    lastNumbers.set(partitionKey, number);
    if (lastNumbers.size > KEYS_MAX) lastNumbers.delete(lastNumbers.keys().next().value!);
    progress[record.index] = { kind: "delivered" };
  }
}
