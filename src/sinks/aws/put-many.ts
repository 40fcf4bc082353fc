/** Puts what is left of a request as records, many at once; the last record of a key stays the last. */

import { orderingName } from "../ordering-name.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRequest } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { backOff } from "./backoff.ts";
import { describeAws, isDenied, isThrottle, reject } from "./fault.ts";

/** A record as it is put. */
export interface OutgoingRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
}

/** A record of a request, with what it counts in bytes. */
export interface IndexedRecord extends OutgoingRecord {
  readonly index: number;
  readonly size: number;
}

/** What came of one record of a call: undefined when it is stored. */
export type RecordFault = { readonly code: string; readonly message: string } | undefined;

/** What a service takes. */
export interface PutLimits {
  /** Name of the service, as people know it. */
  readonly service: string;
  readonly recordBytesMax: number;
  /** Records of one call, and their bytes. */
  readonly recordsMax: number;
  readonly callBytesMax: number;
  /** Whether the bytes of the partition key count as well. */
  readonly isKeyCounted: boolean;
  /** Stands behind each record, and counts. */
  readonly delimiter?: Uint8Array;
}

/** What is put, and where. */
export interface Putting {
  /** Puts the records of one call; says what came of each. Throws SinkFault when the call failed. */
  putAll(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<readonly RecordFault[]>;
  readonly limits: PutLimits;
  readonly request: SinkRequest;
  readonly signal: AbortSignal;
}

/** Many at once. Throws SinkFault when some are still not stored after several tries. */
export async function putMany(
  progress: RowProgress,
  { putAll, limits, request, signal }: Putting,
): Promise<void> {
  let pending = recordsOf(progress, request, limits);
  for (let tries = 0; pending.length > 0; ) {
    const call = chooseCall(pending, limits);
    const faults = await withBackOff(signal, () => putAll(call, signal));
    const failed = settlePut(progress, call, faults);
    pending = pending.filter(({ index }) => progress[index] === undefined);
    if (!failed) tries = 0;
    else if (!isThrottle(failed.code) || !(await backOff(tries++, signal)))
      throw toPutFault(failed);
  }
}

/** Repeats a call that was throttled, as often as one attempt may. */
export async function withBackOff<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SinkFault) || error.reason !== "THROTTLED") throw error;
      if (!(await backOff(tries, signal))) throw error;
    }
  }
}

/** Records of the rows without an outcome; those that no call can hold are rejected. */
export function recordsOf(
  progress: RowProgress,
  { rows, partition }: SinkRequest,
  { service, recordBytesMax, isKeyCounted, delimiter }: PutLimits,
): IndexedRecord[] {
  const records: IndexedRecord[] = [];
  rows.forEach((row, index) => {
    if (progress[index] !== undefined) return;
    const partitionKey = orderingName(row, partition);
    const data = delimiter ? Buffer.concat([row.json, delimiter]) : row.json;
    const size = data.byteLength + (isKeyCounted ? partitionKey.length : 0);
    if (size <= recordBytesMax) records.push({ index, data, partitionKey, size });
    else {
      const counted = isKeyCounted ? "with its partition key " : "";
      const why = `the record has ${row.json.byteLength} bytes: ${counted}a record of ${service} may have ${recordBytesMax}`;
      progress[index] = reject("TOO_LARGE", why);
    }
  });
  return records;
}

function chooseCall(
  pending: readonly IndexedRecord[],
  { recordsMax, callBytesMax }: PutLimits,
): IndexedRecord[] {
  const call: IndexedRecord[] = [];
  let bytes = 0;
  for (const record of pending) {
    if (call.length === recordsMax || bytes + record.size > callBytesMax) break;
    call.push(record);
    bytes += record.size;
  }
  return call;
}

/**
 * Notes what is stored. A key is settled only up to its first failure: what stands behind it is put
 * again, so that the last record of the key is the last one in the stream.
 */
export function settlePut(
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

/** The fault of a record that is not stored. */
export function toPutFault({ code, message }: NonNullable<RecordFault>): SinkFault {
  const reason = isThrottle(code) ? "THROTTLED" : isDenied(code) ? "ACCESS_DENIED" : "AWS_ERROR";
  return new SinkFault(reason, `records were not stored: ${describeAws(code, message)}`);
}
