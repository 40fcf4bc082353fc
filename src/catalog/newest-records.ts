/** The newest records of a log. */
import type { LogReader } from "../core/log.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";
import type { MappedRecord } from "../mapping/record-view.ts";

/** A stored record; one without a place was not stored. */
export interface NewestRecord extends MappedRecord {
  readonly place: { readonly sequence: number; readonly index: number } | undefined;
}

const MESSAGES_MAX = 256;
const BYTES_MAX = 16 * 1024 * 1024;

/** Up to `count` records, newest first. Fails with LOG_UNAVAILABLE. */
export async function readNewest(
  logs: Pick<LogReader, "info" | "read">,
  log: { readonly shard: number; readonly uid: string },
  { count, signal }: { readonly count: number; readonly signal: AbortSignal },
): Promise<NewestRecord[]> {
  const { firstSequence, lastSequence } = await logs.info(log);
  // Other logs stand between, so the way back is doubled until enough of this one is found.
  for (let back = count; ; back *= 4) {
    const fromSequence = Math.max(firstSequence, lastSequence - back + 1);
    const records = await readFrom(logs, log, { fromSequence, lastSequence, count, signal });
    if (records.length >= count || fromSequence <= firstSequence) return records;
  }
}

async function readFrom(
  logs: Pick<LogReader, "read">,
  log: { readonly shard: number; readonly uid: string },
  range: {
    readonly fromSequence: number;
    readonly lastSequence: number;
    readonly count: number;
    readonly signal: AbortSignal;
  },
): Promise<NewestRecord[]> {
  let records: NewestRecord[] = [];
  let next = range.fromSequence;
  while (next <= range.lastSequence) {
    range.signal.throwIfAborted();
    const messages = await logs.read(log, {
      fromSequence: next,
      maxMessages: MESSAGES_MAX,
      maxBytes: BYTES_MAX,
      signal: range.signal,
    });
    if (messages.length === 0) break;
    for (const { sequence, data } of messages) {
      for (const call of decodeRecordBatch(data).calls) {
        const timeMs = Math.floor(call.arrivalTimeUs / 1_000);
        call.records.forEach((json, i) => {
          const place = { sequence, index: call.firstIndex + i };
          const { arrivalTimeUs } = call;
          records.push({
            place,
            recordId: recordId(log.uid, place, timeMs),
            json,
            arrivalTimeUs,
            call,
          });
        });
      }
    }
    records = records.slice(-range.count);
    next = messages.at(-1)!.sequence + 1;
  }
  return records.reverse();
}
