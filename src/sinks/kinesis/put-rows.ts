/** Puts what is left of a request, one by one or many at once, and never loses the order of a key. */
import { backOff } from "../aws/backoff.ts";
import { describeAws, isDenied, isThrottle, reject } from "../aws/fault.ts";
import { orderingName } from "../aws/ordering-name.ts";
import type { RowProgress } from "../aws/progress.ts";
import type { SinkRequest } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { OutgoingRecord, RecordFault, StreamClient } from "./client.ts";

/** A record with its partition key, in bytes. */
const RECORD_BYTES_MAX = 1024 * 1024;
/** Records of one PutRecords, and their bytes with their keys. */
const RECORDS_MAX = 500;
const CALL_BYTES_MAX = 5 * 1024 * 1024;
/** Keys whose last sequence number is remembered (D5). */
const KEYS_MAX = 10_000;

/** What is put, and where. */
export interface Putting {
  readonly client: StreamClient;
  readonly request: SinkRequest;
  readonly signal: AbortSignal;
}

interface IndexedRecord extends OutgoingRecord {
  readonly index: number;
  readonly size: number;
}

/** The last sequence number of each partition key that was put in order. */
export type LastNumbers = Map<string, string>;

/** One by one, each behind the one before. Throws SinkFault at the first that is not stored. */
export async function putInOrder(
  progress: RowProgress,
  lastNumbers: LastNumbers,
  { client, request, signal }: Putting,
): Promise<void> {
  for (const record of recordsOf(progress, request)) {
    const { partitionKey } = record;
    const last = lastNumbers.get(partitionKey);
    const number = await withBackOff(signal, () => client.put(record, last, signal));
    lastNumbers.delete(partitionKey);
    lastNumbers.set(partitionKey, number);
    if (lastNumbers.size > KEYS_MAX) lastNumbers.delete(lastNumbers.keys().next().value!);
    progress[record.index] = { kind: "delivered" };
  }
}

async function withBackOff<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SinkFault) || error.reason !== "THROTTLED") throw error;
      if (!(await backOff(tries, signal))) throw error;
    }
  }
}

/** Many at once. Throws SinkFault when some are still not stored after several tries. */
export async function putMany(
  progress: RowProgress,
  { client, request, signal }: Putting,
): Promise<void> {
  let pending = recordsOf(progress, request);
  for (let tries = 0; pending.length > 0; ) {
    const call = chooseCall(pending);
    const faults = await withBackOff(signal, () => client.putAll(call, signal));
    const failed = settle(progress, call, faults);
    pending = pending.filter(({ index }) => progress[index] === undefined);
    if (!failed) tries = 0;
    else if (!isThrottle(failed.code) || !(await backOff(tries++, signal))) throw toFault(failed);
  }
}

function chooseCall(pending: readonly IndexedRecord[]): IndexedRecord[] {
  const call: IndexedRecord[] = [];
  let bytes = 0;
  for (const record of pending) {
    if (call.length === RECORDS_MAX || bytes + record.size > CALL_BYTES_MAX) break;
    call.push(record);
    bytes += record.size;
  }
  return call;
}

/**
 * Notes what is stored. A key is settled only up to its first failure: what stands behind it is put
 * again, so that the last record of the key is the last one in the stream.
 */
function settle(
  progress: RowProgress,
  call: readonly IndexedRecord[],
  faults: readonly RecordFault[],
): RecordFault {
  const failedKeys = new Set<string>();
  let first: RecordFault;
  call.forEach(({ index, partitionKey }, i) => {
    const fault = faults[i];
    // A fault that waiting does not mend is the one to tell.
    if (fault && (!first || (isThrottle(first.code) && !isThrottle(fault.code)))) first = fault;
    if (fault) failedKeys.add(partitionKey);
    else if (!failedKeys.has(partitionKey)) progress[index] = { kind: "delivered" };
  });
  return first;
}

function recordsOf(progress: RowProgress, { rows, partition }: SinkRequest): IndexedRecord[] {
  const records: IndexedRecord[] = [];
  rows.forEach((row, index) => {
    if (progress[index] !== undefined) return;
    const partitionKey = orderingName(row, partition);
    const size = row.json.byteLength + partitionKey.length;
    if (size <= RECORD_BYTES_MAX) records.push({ index, data: row.json, partitionKey, size });
    else {
      const why = `the record has ${row.json.byteLength} bytes: with its partition key a record of Kinesis may have ${RECORD_BYTES_MAX}`;
      progress[index] = reject("TOO_LARGE", why);
    }
  });
  return records;
}

function toFault({ code, message }: NonNullable<RecordFault>): SinkFault {
  const reason = isThrottle(code) ? "THROTTLED" : isDenied(code) ? "ACCESS_DENIED" : "AWS_ERROR";
  return new SinkFault(reason, `records were not stored: ${describeAws(code, message)}`);
}
