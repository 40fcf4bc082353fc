/**
 * What one stored message holds (tributary.records.v1.RecordBatch), read by hand: delivery decodes
 * every record of every log, so records stay views of the message and nothing is copied. A test
 * proves this equal to protobuf-es.
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { fail } from "./errors.ts";
import {
  readBytes,
  readMessage,
  readSpan,
  readString,
  readVarint,
  skipValue,
  varintSize,
  type WireCursor,
  WireError,
  wireCursor,
  writeBytes,
} from "./record-wire.ts";

/** The format this program reads and writes. */
export const RECORD_BATCH_FORMAT = 1;

/** A message is at most 1 MiB; what it inflates to may be this much. */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024;

const NO_BYTES = new Uint8Array(0);

/** A decoded message. */
export interface RecordBatch {
  readonly calls: readonly RecordCall[];
  /** Number of records over all calls. Index i of a place counts through the calls in order. */
  readonly count: number;
}

/** The records that one call brought to the message's partition. */
export interface RecordCall {
  /** Index (of a place) of the first record of this call within the message. */
  readonly firstIndex: number;
  /** Microseconds since 1970 UTC. */
  readonly arrivalTimeUs: number;
  readonly source: string;
  readonly authentication: string;
  readonly address: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly contentType: string;
  /** Version of the schema that checked the records; 0 for none. */
  readonly schemaVersion: number;
  /** W3C traceparent; empty for none. */
  readonly traceContext: string;
  /** Empty, or one for each record (each may be ``). */
  readonly producerIds: readonly string[];
  /** Empty for a stream without keys, else murmur2 of each record's canonical key, unsigned. */
  readonly keyHashes: readonly number[];
  /** Each one JSON value as UTF-8: views of the message (or of its inflated form). */
  readonly records: readonly Uint8Array[];
}

/** A call whose records are places in bytes: a view of each costs more than all else of a small record. */
export interface CallSpans extends Omit<RecordCall, "records"> {
  /** The message, or its inflated form. */
  readonly bytes: Uint8Array;
  /** Of each record in turn: where it begins in `bytes`, and where it has ended. */
  readonly spans: readonly number[];
}

/**
 * Decodes a stored message. Fails with FORMAT_NEWER when a later version of this program wrote it
 * (a reader must stop then, never skip), and with LOG_CORRUPT when it is not a RecordBatch.
 */
export function decodeRecordBatch(data: Uint8Array): RecordBatch {
  return decode(data, false);
}

/** The calls of a stored message, as `decodeRecordBatch`, with the places of their records. */
export function decodeCallSpans(data: Uint8Array): readonly CallSpans[] {
  // Drafts have both, when places are asked for.
  return decode(data, true).calls as readonly (RecordCall & CallSpans)[];
}

function decode(data: Uint8Array, areSpans: boolean): RecordBatch {
  try {
    const outer = decodeOuter(data, { areSpans });
    if (!outer.compressed) return outer;
    const { calls, count } = decodeOuter(inflate(outer.compressed), { areSpans, isInner: true });
    return { calls, count };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw fail("LOG_CORRUPT", `a stored message is damaged: ${error.message}`, { cause: error });
  }
}

/**
 * A message of format 1 from encoded CallBlocks. `compress` stores them by zstd when that makes the
 * message smaller.
 */
export function encodeRecordBatch(
  blocks: readonly Uint8Array[],
  options: { readonly compress?: boolean } = {},
): Uint8Array {
  const plain = joinBlocks(blocks, [0x08, RECORD_BATCH_FORMAT, 0x10, 1]);
  if (!options.compress) return plain;
  const packed = zstdCompressSync(plain.subarray(4));
  const head = 5 + varintSize(packed.length);
  if (head + packed.length >= plain.length) return plain;
  const message = new Uint8Array(head + packed.length);
  message.set([0x08, RECORD_BATCH_FORMAT, 0x10, 2]);
  writeBytes(message, 4, { tag: 0x22, value: packed });
  return message;
}

/** Bytes of a message before its first call. */
export const BATCH_OVERHEAD = 4;

/** Bytes that an encoded CallBlock takes within a message. */
export function callEntrySize(blockBytes: number): number {
  return 1 + varintSize(blockBytes) + blockBytes;
}

function joinBlocks(blocks: readonly Uint8Array[], head: readonly number[]): Uint8Array {
  let size = head.length;
  for (const block of blocks) size += callEntrySize(block.length);
  const message = Buffer.allocUnsafe(size);
  message.set(head);
  let at = head.length;
  for (const value of blocks) at = writeBytes(message, at, { tag: 0x1a, value });
  return message;
}

function inflate(compressed: Uint8Array): Uint8Array {
  try {
    return zstdDecompressSync(compressed, { maxOutputLength: INFLATED_BYTES_MAX });
  } catch (cause) {
    throw new WireError("compressed calls do not inflate", { cause });
  }
}

interface OuterBatch extends RecordBatch {
  readonly compressed?: Uint8Array;
}

function decodeOuter(
  data: Uint8Array,
  { areSpans, isInner = false }: { readonly areSpans: boolean; readonly isInner?: boolean },
): OuterBatch {
  const cursor = wireCursor(data);
  const calls: RecordCall[] = [];
  let count = 0;
  let format = isInner ? RECORD_BATCH_FORMAT : 0;
  let compression = 0;
  let compressed: Uint8Array = NO_BYTES;
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor);
    if (tag === 0x08) format = checkFormat(readVarint(cursor));
    else if (tag === 0x10) compression = readVarint(cursor);
    else if (tag === 0x1a) {
      const call = decodeCall(readMessage(cursor), count, areSpans);
      count += call.spans ? call.spans.length / 2 : call.records.length;
      calls.push(call);
    } else if (tag === 0x22) compressed = readBytes(cursor);
    else skipValue(cursor, tag & 7);
  }
  if (format !== RECORD_BATCH_FORMAT) throw new WireError("it has no format number");
  if (compression > 2) throw newer(`compression ${compression}`);
  if (compression !== 2) return { calls, count };
  if (isInner) throw new WireError("compressed calls hold compressed calls");
  return { calls, count, compressed };
}

function checkFormat(format: number): number {
  if (format > RECORD_BATCH_FORMAT) throw newer(`format ${format}`);
  return format;
}

function newer(what: string) {
  return fail(
    "FORMAT_NEWER",
    `a stored message has ${what}, which a newer version of this server wrote: update this node`,
    { metadata: { what } },
  );
}

/** A RecordCall while it is read. */
type Draft = { -readonly [K in keyof RecordCall]: RecordCall[K] } & {
  headers: { name: string; value: string }[];
  producerIds: string[];
  keyHashes: number[];
  records: Uint8Array[];
  bytes?: Uint8Array;
  spans?: number[];
};

function decodeCall(cursor: WireCursor, firstIndex: number, areSpans: boolean): Draft {
  const call: Draft = {
    firstIndex,
    arrivalTimeUs: 0,
    source: "",
    authentication: "",
    address: "",
    headers: [],
    contentType: "",
    schemaVersion: 0,
    traceContext: "",
    producerIds: [],
    keyHashes: [],
    records: [],
    ...(areSpans && { bytes: cursor.bytes, spans: [] }),
  };
  const { spans } = call;
  let count = 0;
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor);
    if (tag === 0x5a) {
      if (spans) readSpan(cursor, spans);
      else call.records.push(readBytes(cursor));
    } else if (tag === 0x50) count = readVarint(cursor);
    else readCallField(cursor, call, tag);
  }
  const found = spans ? spans.length / 2 : call.records.length;
  if (count !== found) throw new WireError(`a call says ${count} records and holds ${found}`);
  for (const list of [call.producerIds, call.keyHashes]) {
    if (list.length !== 0 && list.length !== count) {
      throw new WireError(`a call of ${count} records has ${list.length} ids or key hashes`);
    }
  }
  return call;
}

function readCallField(cursor: WireCursor, call: Draft, tag: number): void {
  if (tag === 0x08) call.arrivalTimeUs = readVarint(cursor);
  else if (tag === 0x12) call.source = readString(cursor);
  else if (tag === 0x1a) call.authentication = readString(cursor);
  else if (tag === 0x22) call.address = readString(cursor);
  else if (tag === 0x2a) call.headers.push(readHeader(readMessage(cursor)));
  else if (tag === 0x32) call.contentType = readString(cursor);
  else if (tag === 0x38) call.schemaVersion = readVarint(cursor);
  else if (tag === 0x42) call.traceContext = readString(cursor);
  else if (tag === 0x4a) call.producerIds.push(readString(cursor));
  else if (tag === 0x62) readHashes(readMessage(cursor), call.keyHashes);
  else skipValue(cursor, tag & 7);
}

function readHeader(cursor: WireCursor): { name: string; value: string } {
  const header = { name: "", value: "" };
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor);
    if (tag === 0x0a) header.name = readString(cursor);
    else if (tag === 0x12) header.value = readString(cursor);
    else skipValue(cursor, tag & 7);
  }
  return header;
}

/** Packed fixed32, little endian. */
function readHashes({ bytes, at, end }: WireCursor, hashes: number[]): void {
  if ((end - at) % 4 !== 0) throw new WireError("key hashes are cut off");
  for (let i = at; i < end; i += 4) {
    const low = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16);
    hashes.push((low | (bytes[i + 3]! << 24)) >>> 0);
  }
}
