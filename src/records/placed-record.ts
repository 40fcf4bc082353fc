/** Records of a stored message with all that is known of them. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { LogMessage } from "../core/log.ts";
import { decodeRecordBatch, type RecordCall } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";

/** One stored record. */
export interface PlacedRecord {
  readonly sequence: number;
  readonly index: number;
  readonly generation: number;
  readonly schemaVersion: number;
  /** The record as JSON text, a view of the message. */
  readonly json: Uint8Array;
  /** murmur2 of the canonical key, unsigned; undefined in a stream without keys. */
  readonly keyHash: number | undefined;
  /** The fields of tributary.records.v1.Record. */
  toMessage(): ReturnType<typeof describeRecord>;
}

/** The records of a message, in order. */
export function* readRecords(message: LogMessage): Generator<PlacedRecord> {
  for (const call of decodeRecordBatch(message.data).calls) {
    for (let i = 0; i < call.records.length; i++) {
      yield {
        sequence: message.sequence,
        index: call.firstIndex + i,
        generation: message.generation,
        schemaVersion: call.schemaVersion,
        json: call.records[i]!,
        keyHash: call.keyHashes[i],
        toMessage: () => describeRecord(message, call, i),
      };
    }
  }
}

function describeRecord(message: LogMessage, call: RecordCall, i: number) {
  const place = { sequence: message.sequence, index: call.firstIndex + i };
  const arrivalMs = Math.floor(call.arrivalTimeUs / 1000);
  const arrival = timestampFromMs(arrivalMs);
  arrival.nanos += (call.arrivalTimeUs % 1000) * 1000;
  return {
    id: recordId(message.logUid, place, arrivalMs),
    place: `${place.sequence}-${place.index}`,
    sequence: BigInt(place.sequence),
    index: place.index,
    partition: message.partition,
    generation: BigInt(message.generation),
    arrivalTime: arrival,
    json: call.records[i]!,
    producerId: call.producerIds[i] ?? "",
    schemaVersion: BigInt(call.schemaVersion),
    source: call.source,
  };
}
