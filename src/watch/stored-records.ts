/** Records of a log by their places. */
import type { LogReader } from "../core/log.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";
import type { MappedRecord } from "../mapping/record-view.ts";

/** Where a record stands. */
export interface Place {
  readonly sequence: number;
  readonly index: number;
}

/** A stored record with what is known of its push. */
export interface StoredRecord extends MappedRecord {
  readonly place: Place;
  readonly partition: number;
  readonly generation: number;
  readonly schemaVersion: number;
  readonly producerId: string;
  /** Kafka's murmur2 of its key; undefined on a stream without keys. */
  readonly keyHash: number | undefined;
  readonly call: ReturnType<typeof decodeRecordBatch>["calls"][number];
}

/** Reads logs. */
export type Reader = Pick<LogReader, "read" | "info">;
type Log = { readonly shard: number; readonly uid: string };

const READ_BYTES_MAX = 4 * 1024 * 1024;

/** First and last place of records that follow each other, inclusive. */
export interface Range {
  readonly from: Place;
  readonly to: Place;
}

/** The record at a place; undefined when it is not stored (any more). Fails with LOG_UNAVAILABLE. */
export async function readRecord(
  reader: Reader,
  log: Log,
  place: Place,
): Promise<StoredRecord | undefined> {
  const found = await readMessage(reader, log, place.sequence);
  return found.find(({ place: { index } }) => index === place.index);
}

/**
 * The records of ranges of one partition, at most `bytesMax` bytes of them. Undefined when some are not
 * stored any more. Fails with LOG_UNAVAILABLE.
 */
export async function readRanges(
  reader: Reader,
  log: Log,
  options: {
    readonly ranges: readonly Range[];
    readonly partition: number;
    readonly bytesMax: number;
  },
): Promise<StoredRecord[] | undefined> {
  const records: StoredRecord[] = [];
  let bytes = 0;
  for (const { from, to } of options.ranges) {
    for (let next = from.sequence; next <= to.sequence; ) {
      const messages = await reader.read(log, {
        fromSequence: next,
        maxMessages: 50,
        maxBytes: READ_BYTES_MAX,
      });
      const first = messages[0]?.sequence ?? Number.POSITIVE_INFINITY;
      if (next === from.sequence && first > from.sequence) return undefined;
      for (const message of messages) {
        if (message.partition !== options.partition || message.sequence > to.sequence) continue;
        for (const record of decode(log.uid, message)) {
          const { sequence, index } = record.place;
          if (sequence === from.sequence && index < from.index) continue;
          if (sequence === to.sequence && index > to.index) continue;
          records.push(record);
          bytes += record.json.byteLength;
        }
        if (bytes >= options.bytesMax) return records;
      }
      if (messages.length === 0) break;
      next = messages.at(-1)!.sequence + 1;
    }
  }
  return records;
}

async function readMessage(reader: Reader, log: Log, sequence: number): Promise<StoredRecord[]> {
  const [message] = await reader.read(log, {
    fromSequence: sequence,
    maxMessages: 1,
    maxBytes: READ_BYTES_MAX,
  });
  return message?.sequence === sequence ? decode(log.uid, message) : [];
}

function decode(
  logUid: string,
  message: Awaited<ReturnType<Reader["read"]>>[number],
): StoredRecord[] {
  const { sequence, partition, generation, data } = message;
  return decodeRecordBatch(data).calls.flatMap((call) =>
    call.records.map((json, i) => {
      const place = { sequence, index: call.firstIndex + i };
      return {
        place,
        partition,
        generation,
        json,
        recordId: recordId(logUid, place, Math.floor(call.arrivalTimeUs / 1_000)),
        arrivalTimeUs: call.arrivalTimeUs,
        schemaVersion: call.schemaVersion,
        producerId: call.producerIds[i] ?? "",
        keyHash: call.keyHashes[i],
        call,
      };
    }),
  );
}
