/**
 * The wire form of RecordBatch (tributary.records.v1), written by hand: calls come as encoded
 * CallBlocks, so a batch is made by putting them behind each other, without decoding.
 */

/** Field 1 (format) = 1, field 2 (compression) = 1 (NONE), both varints. */
const PREFIX = Uint8Array.of(0x08, 0x01, 0x10, 0x01);
/** Field 3 (calls), length-delimited. */
const CALL_TAG = 0x1a;

/** Bytes of a RecordBatch before its first call. */
export const BATCH_OVERHEAD = PREFIX.length;

/** Bytes that an encoded CallBlock takes within a RecordBatch. */
export function callEntrySize(blockBytes: number): number {
  return 1 + varintSize(blockBytes) + blockBytes;
}

/** Encodes a RecordBatch of format 1 without compression. */
export function encodeRecordBatch(blocks: readonly Uint8Array[]): Uint8Array {
  let size = BATCH_OVERHEAD;
  for (const block of blocks) size += callEntrySize(block.length);
  const out = Buffer.allocUnsafe(size);
  out.set(PREFIX, 0);
  let at = BATCH_OVERHEAD;
  for (const block of blocks) {
    out[at++] = CALL_TAG;
    at = writeVarint(out, at, block.length);
    out.set(block, at);
    at += block.length;
  }
  return out;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size++;
  return size;
}

function writeVarint(out: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}
