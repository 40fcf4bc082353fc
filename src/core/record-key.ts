/**
 * Keys of records in canonical form: all ways to write a value give one text, by the field's type.
 * STRING: its characters, escapes resolved, not normalised. LONG: digits. DECIMAL: `canonicalDecimal`.
 * BOOLEAN, DATE: as written. TIMESTAMP: the instant in UTC. BINARY: base64 with clean padding.
 * A key of one field is its text, so a STRING hashes as it does in Kafka; of several fields, each
 * text behind its length in bytes and a colon (`4:bar42:17`), which no other values can give.
 */
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal } from "./decimal.ts";
import { failFields } from "./errors.ts";
import { JsonFault } from "./json-fault.ts";
import { decodeString } from "./json-names.ts";
import { longText } from "./json-number.ts";
import { murmur2 } from "./partition.ts";
import type { RecordScan } from "./schema-scan.ts";
import { canonicalTimestamp, readTimestamp } from "./schema-time.ts";

/** Bytes that a key value may have as it is written, quotes included. */
export const KEY_VALUE_BYTES_MAX = 1024;

/** The key of a stream: names and types of its fields, in the order of the key. */
export interface KeyShape {
  readonly names: readonly string[];
  readonly types: readonly Field_Type[];
}

/** The key of a stream; undefined for a stream without keys. */
export function keyShape(schema: Schema, keyFields: readonly string[]): KeyShape | undefined {
  if (keyFields.length === 0) return undefined;
  const types = keyFields.map((name) => {
    const field = schema.fields.find((f) => f.name === name);
    if (!field) throw failFields([{ field: name, description: "is a key field without a field" }]);
    return field.type;
  });
  return { names: keyFields, types };
}

/** A part of a key: bytes in place, without a copy. */
interface Span {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Hash (murmur2, signed) of the key of the record that the scan has just checked; the name of the
 * key field that is too long otherwise. The record must have had no faults. Signed, for V8 keeps such a
 * number in place, and would make an object of every second unsigned one.
 */
export function scannedKeyHash(s: RecordScan, key: KeyShape): number | string {
  const count = key.types.length;
  for (let i = 0; i < count; i++) {
    if (s.keySpans[i * 2 + 1]! - s.keySpans[i * 2]! > KEY_VALUE_BYTES_MAX) return key.names[i]!;
  }
  if (count === 1) {
    if (isPlainText(s, key.types[0]!))
      return murmur2(s.bytes, s.keySpans[0]! + 1, s.keySpans[1]! - 1);
    const { bytes, start, end } = canonicalValue(s, 0, key.types[0]!);
    return murmur2(bytes, start, end);
  }
  return murmur2(Buffer.from(joinParts(s, key)));
}

/** Whether the key's only value is a STRING that hashes as it stands between its quotes: the usual one. */
function isPlainText({ bytes, keySpans }: RecordScan, type: Field_Type): boolean {
  if (type !== Field_Type.STRING || bytes[keySpans[0]!] !== 0x22) return false;
  for (let at = keySpans[0]!, end = keySpans[1]!; at < end; at++) {
    if (bytes[at] === 0x5c) return false;
  }
  return true;
}

/** The key of the record that the scan has just checked, as text. */
export function scannedKeyText(s: RecordScan, key: KeyShape): string {
  return key.types.length === 1 ? spanText(canonicalValue(s, 0, key.types[0]!)) : joinParts(s, key);
}

function joinParts(s: RecordScan, key: KeyShape): string {
  let text = "";
  for (let i = 0; i < key.types.length; i++) {
    const part = canonicalValue(s, i, key.types[i]!);
    text += `${part.end - part.start}:${spanText(part)}`;
  }
  return text;
}

function spanText({ bytes, start, end }: Span): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

function textSpan(text: string): Span {
  const bytes = Buffer.from(text, "utf8");
  return { bytes, start: 0, end: bytes.length };
}

function canonicalValue(s: RecordScan, slot: number, type: Field_Type): Span {
  const { bytes } = s;
  const start = s.keySpans[slot * 2]!;
  const end = s.keySpans[slot * 2 + 1]!;
  const content = bytes[start] === 0x22 ? stringSpan(bytes, start, end) : { bytes, start, end };
  switch (type) {
    case Field_Type.LONG:
      return canonicalLong(content);
    case Field_Type.DECIMAL:
      return textSpan(canonicalDecimal(spanText(content)));
    case Field_Type.TIMESTAMP:
      return timestampSpan(content);
    case Field_Type.BINARY:
      return textSpan(Buffer.from(spanText(content), "base64").toString("base64"));
    default:
      return content;
  }
}

function stringSpan(bytes: Uint8Array, start: number, end: number): Span {
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0x5c) return textSpan(decodeString(bytes, start, end));
  }
  return { bytes, start: start + 1, end: end - 1 };
}

function canonicalLong(span: Span): Span {
  const { bytes, start, end } = span;
  const isNegative = bytes[start] === 0x2d;
  if (end - start <= 18 && !(isNegative && bytes[start + 1] === 0x30)) {
    let at = isNegative ? start + 1 : start;
    while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (at === end) return span;
  }
  const result = longText(spanText(span));
  if (typeof result === "string") throw new JsonFault(start, "a key of type LONG is no integer");
  return textSpan(result.text);
}

function timestampSpan({ bytes, start, end }: Span): Span {
  const parts = readTimestamp(bytes, start, end);
  if (typeof parts === "string") throw new JsonFault(start, `a key of type TIMESTAMP ${parts}`);
  return textSpan(canonicalTimestamp(parts));
}
