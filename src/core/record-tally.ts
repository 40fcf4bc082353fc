/**
 * Counts what a stored message holds without making its records: about 10 ns a record, so that every
 * record of an installation can be counted where its shard is owned.
 */
import { decodeRecordBatch, RECORD_BATCH_FORMAT } from "./record-batch.ts";
import {
  readMessage,
  readString,
  readVarint,
  skipValue,
  type WireCursor,
  WireError,
  wireCursor,
} from "./record-wire.ts";

/** The counts of one call in a message. */
export interface CallTally {
  /** Microseconds since 1970 UTC. */
  readonly arrivalTimeUs: number;
  /** How the caller proved who it is: `oauth2`, `none`, … */
  readonly authentication: string;
  readonly records: number;
  /** Bytes of the records as they came. */
  readonly bytes: number;
}

/** One tally for each call of the message. Fails with FORMAT_NEWER and LOG_CORRUPT as `decodeRecordBatch`. */
export function tallyRecordBatch(data: Uint8Array): CallTally[] {
  return (isPlain(data) && tallyPlain(data)) || tallyDecoded(data);
}

/** Whether it begins as every message does that this version writes without compression. */
function isPlain(data: Uint8Array): boolean {
  return data[0] === 0x08 && data[1] === RECORD_BATCH_FORMAT && data[2] === 0x10 && data[3] === 1;
}

function tallyPlain(data: Uint8Array): CallTally[] | undefined {
  const tallies: CallTally[] = [];
  try {
    const cursor = wireCursor(data);
    while (cursor.at < cursor.end) {
      const tag = readVarint(cursor);
      if (tag === 0x1a) tallies.push(tallyCall(readMessage(cursor)));
      else skipValue(cursor, tag & 7);
    }
    return tallies;
  } catch (error) {
    // The decoder says what is wrong with it.
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function tallyCall(cursor: WireCursor): CallTally {
  const tally = { arrivalTimeUs: 0, authentication: "", records: 0, bytes: 0 };
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor);
    if (tag === 0x5a) {
      const length = readVarint(cursor);
      if (length > cursor.end - cursor.at) throw new WireError("a record ends early");
      cursor.at += length;
      tally.records++;
      tally.bytes += length;
    } else if (tag === 0x08) tally.arrivalTimeUs = readVarint(cursor);
    else if (tag === 0x1a) tally.authentication = readString(cursor);
    else skipValue(cursor, tag & 7);
  }
  return tally;
}

function tallyDecoded(data: Uint8Array): CallTally[] {
  return decodeRecordBatch(data).calls.map(({ arrivalTimeUs, authentication, records }) => ({
    arrivalTimeUs,
    authentication,
    records: records.length,
    bytes: records.reduce((sum, record) => sum + record.length, 0),
  }));
}
