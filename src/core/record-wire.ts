/**
 * The Protocol Buffers wire format, as little of it as the messages of the hot path need
 * (https://protobuf.dev/programming-guides/encoding). Reading makes views, never copies.
 */

/** A place in bytes that are being read. `end` bounds the message, not the buffer. */
export interface WireCursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

/** Bytes end early, or hold what no encoder writes. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** A cursor over all of `bytes`. */
export function wireCursor(bytes: Uint8Array): WireCursor {
  return { bytes, at: 0, end: bytes.length };
}

/**
 * A varint as a number: exact up to 2^53 - 1, and beyond that (also for a negative int64) refused,
 * because no field of ours holds such values. At most ten bytes.
 */
export function readVarint(cursor: WireCursor): number {
  const { bytes, end } = cursor;
  let at = cursor.at;
  let value = 0;
  let scale = 1;
  for (let n = 0; n < 10; n++) {
    if (at >= end) throw new WireError("the message ends inside a number");
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) throw new WireError("a number is out of range");
      cursor.at = at;
      return value;
    }
    scale *= 128;
  }
  throw new WireError("a number is longer than ten bytes");
}

/** A varint read as bool: any value but 0 is true, however large. */
export function readBool(cursor: WireCursor): boolean {
  let isSet = false;
  for (let n = 0; n < 10; n++) {
    if (cursor.at >= cursor.end) throw new WireError("the message ends inside a number");
    const byte = cursor.bytes[cursor.at++]!;
    if (byte & 0x7f) isSet = true;
    if (byte < 0x80) return isSet;
  }
  throw new WireError("a number is longer than ten bytes");
}

/** A length-delimited value, as a view. */
export function readBytes(cursor: WireCursor): Uint8Array {
  const length = readVarint(cursor);
  const start = cursor.at;
  if (length > cursor.end - start) throw new WireError("a value is longer than its message");
  cursor.at = start + length;
  return cursor.bytes.subarray(start, cursor.at);
}

/** A length-delimited value, as where it begins and where it has ended. */
export function readSpan(cursor: WireCursor, spans: number[]): void {
  const length = readVarint(cursor);
  const start = cursor.at;
  if (length > cursor.end - start) throw new WireError("a value is longer than its message");
  cursor.at = start + length;
  spans.push(start, cursor.at);
}

/** A length-delimited message, as a cursor over the same bytes. */
export function readMessage(cursor: WireCursor): WireCursor {
  const length = readVarint(cursor);
  const start = cursor.at;
  if (length > cursor.end - start) throw new WireError("a message is longer than its parent");
  cursor.at = start + length;
  return { bytes: cursor.bytes, at: start, end: cursor.at };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A string; refuses what is not UTF-8. */
export function readString(cursor: WireCursor): string {
  const bytes = readBytes(cursor);
  if (bytes.length === 0) return "";
  try {
    return utf8.decode(bytes);
  } catch {
    throw new WireError("a string is not UTF-8");
  }
}

/** Skips the value of an unknown field. Groups (wire types 3 and 4) are refused. */
export function skipValue(cursor: WireCursor, wireType: number): void {
  let length = 0;
  if (wireType === 0) {
    readBool(cursor);
    return;
  }
  if (wireType === 1) length = 8;
  else if (wireType === 2) length = readVarint(cursor);
  else if (wireType === 5) length = 4;
  else throw new WireError(`wire type ${wireType} is not allowed`);
  if (length > cursor.end - cursor.at) throw new WireError("a value is longer than its message");
  cursor.at += length;
}

/** Bytes that the varint of `value` (a non-negative safe integer) takes. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes a varint at `at` and returns the offset behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let offset = at;
  while (rest >= 0x80000000) {
    bytes[offset++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    bytes[offset++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[offset++] = rest;
  return offset;
}

/** Writes tag, length and bytes, and returns the offset behind them. The tag must fit one byte. */
export function writeBytes(
  target: Uint8Array,
  at: number,
  field: { readonly tag: number; readonly value: Uint8Array },
): number {
  target[at] = field.tag;
  const start = writeVarint(target, at + 1, field.value.length);
  target.set(field.value, start);
  return start + field.value.length;
}
