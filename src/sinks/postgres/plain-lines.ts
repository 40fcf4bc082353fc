/**
 * Lines of COPY's text format straight from the bytes of records: most values mean the same there as in JSON, so
 * they are only copied. No text, no object is made of a record; what is not that simple is left to `encode.ts`,
 * whose lines are the same (a test compares them).
 */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkRow } from "../sink.ts";
import type { Column } from "./columns.ts";

/** Writes the lines of rows. */
export interface PlainLines {
  /**
   * Writes the line of a row at a place of `out`, which has room for it (`roomOf`), and gives the place behind it;
   * -1 when the row is for `encode.ts`. `number` begins the line, when it is not negative.
   */
  write(row: SinkRow, out: Buffer, place: { readonly at: number; readonly number: number }): number;
  /** Bytes that the line of a row of so many bytes takes at most. */
  roomOf(jsonBytes: number): number;
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const UPPER_N = 0x4e;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NOT_PLAIN = -1;
/** A place that no value has: there is none, or null. */
const NONE = -1;
/** An id, or a number of a row. */
const FACT_BYTES = 48;
/** Doubles of more digits are written again. */
const DOUBLE_BYTES_MAX = 24;
/** Shorter values are copied faster one by one. */
const COPIED_AT_ONCE = 48;

const PLAIN_TYPES: readonly Field_Type[] = [
  ...[Field_Type.STRING, Field_Type.LONG, Field_Type.DOUBLE, Field_Type.BOOLEAN],
  ...[Field_Type.DECIMAL, Field_Type.TIMESTAMP, Field_Type.DATE],
];

/** The writer for some columns; undefined when one of them is never plain. */
export function createPlainLines(columns: readonly Column[]): PlainLines | undefined {
  const isPlain = ({ source, type }: Column) =>
    source === "field" ? PLAIN_TYPES.includes(type) : source === "record_id";
  if (!columns.every(isPlain)) return undefined;
  const scan = createScanner(columns);
  const { starts, ends } = scan;
  const isId = columns.map(({ source }) => source === "record_id");
  return {
    roomOf: (jsonBytes) => jsonBytes + columns.length * 3 + isId.length * FACT_BYTES + FACT_BYTES,
    write(row, out, { at: begin, number }) {
      const { json } = row;
      if (!scan.read(json)) return NOT_PLAIN;
      let at = begin;
      if (number >= 0) at += out.write(`${number}\t`, at, "latin1");
      for (let c = 0; c < starts.length; c += 1) {
        if (c > 0) out[at++] = TAB;
        if (isId[c]) at += out.write(row.recordId, at, "latin1");
        else if (starts[c] === NONE) {
          out[at++] = BACKSLASH;
          out[at++] = UPPER_N;
        } else at = copy(json, { from: starts[c]!, to: ends[c]! }, { out, at });
      }
      out[at++] = LINE_FEED;
      return at;
    },
  };
}

function copy(
  bytes: Uint8Array,
  { from, to }: { from: number; to: number },
  { out, at }: { out: Buffer; at: number },
): number {
  if (to - from > COPIED_AT_ONCE) {
    out.set(bytes.subarray(from, to), at);
    return at + to - from;
  }
  let next = at;
  for (let i = from; i < to; i += 1) out[next++] = bytes[i]!;
  return next;
}

interface Scanner {
  /** Where the value of each column begins and has ended, of the record that was read last. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Gives whether all values are plain. */
  read(json: Uint8Array): boolean;
}

/** Finds the values of columns in a JSON object, which is known to be valid. */
function createScanner(columns: readonly Column[]): Scanner {
  const starts = new Int32Array(columns.length);
  const ends = new Int32Array(columns.length);
  const types = columns.map(({ type }) => type);
  const names = columns.map(({ source, name }) =>
    source === "field" ? Buffer.from(name) : undefined,
  );
  let next = 0;
  /** Members mostly come in the order of the columns. */
  const columnOf = (json: Uint8Array, from: number, to: number): number => {
    for (let n = 0; n < names.length; n += 1) {
      const c = next + n < names.length ? next + n : next + n - names.length;
      if (isName(names[c], json, from, to)) {
        next = c + 1;
        return c;
      }
    }
    return NONE;
  };
  /** Gives the index behind the value; NOT_PLAIN when it is not. */
  const readValue = (json: Uint8Array, start: number, c: number): number => {
    const first = json[start]!;
    const isText = first === QUOTE;
    const from = isText ? start + 1 : start;
    const to = isText ? endOfText(json, from) : endOfToken(json, from);
    if (to === NOT_PLAIN) return NOT_PLAIN;
    if (c !== NONE) {
      const isGood = isText ? isOfText(types[c]!) : isPlainToken(json, { from, to }, types[c]!);
      if (!isGood) return NOT_PLAIN;
      starts[c] = first === LOWER_N ? NONE : from;
      ends[c] = to;
    }
    return isText ? to + 1 : to;
  };
  const read = (json: Uint8Array): boolean => {
    starts.fill(NONE);
    next = 0;
    let i = skipSpace(json, 0);
    if (json[i] !== OPEN_BRACE) return false;
    i = skipSpace(json, i + 1);
    while (json[i] === QUOTE) {
      const end = endOfName(json, i + 1);
      if (end === NOT_PLAIN) return false;
      const c = columnOf(json, i + 1, end);
      i = skipSpace(json, end + 1);
      if (json[i] !== COLON) return false;
      i = readValue(json, skipSpace(json, i + 1), c);
      if (i === NOT_PLAIN) return false;
      i = skipSpace(json, i);
      if (json[i] === COMMA) i = skipSpace(json, i + 1);
    }
    return json[i] === CLOSE_BRACE;
  };
  return { starts, ends, read };
}

function isName(name: Uint8Array | undefined, json: Uint8Array, from: number, to: number): boolean {
  if (!name || name.length !== to - from) return false;
  for (let i = 0; i < name.length; i += 1) if (name[i] !== json[from + i]) return false;
  return true;
}

function skipSpace(json: Uint8Array, from: number): number {
  let i = from;
  while (i < json.length && json[i]! <= SPACE) i += 1;
  return i;
}

/** Index of the quote that ends a name; NOT_PLAIN for one with escapes. */
function endOfName(json: Uint8Array, from: number): number {
  for (let i = from; i < json.length; i += 1) {
    if (json[i] === QUOTE) return i;
    if (json[i] === BACKSLASH) return NOT_PLAIN;
  }
  return NOT_PLAIN;
}

/**
 * Index of the quote that ends a text; NOT_PLAIN for one with \u: all other escapes mean the same to COPY, where
 * a backslash before a character that it does not know stands for that character.
 */
function endOfText(json: Uint8Array, from: number): number {
  for (let i = from; i < json.length; i += 1) {
    if (json[i] === QUOTE) return i;
    if (json[i] !== BACKSLASH) continue;
    i += 1;
    if (json[i] === LOWER_U) return NOT_PLAIN;
  }
  return NOT_PLAIN;
}

/** Index behind a number, true, false or null; NOT_PLAIN for anything else. */
function endOfToken(json: Uint8Array, from: number): number {
  const first = json[from]!;
  const isNumber = first === MINUS || (first >= 0x30 && first <= 0x39);
  if (!isNumber && first !== LOWER_T && first !== LOWER_F && first !== LOWER_N) return NOT_PLAIN;
  for (let i = from + 1; i < json.length; i += 1) {
    const code = json[i]!;
    if (code === COMMA || code === CLOSE_BRACE || code <= SPACE) return i;
  }
  return NOT_PLAIN;
}

/** Whether values of a type are texts in JSON, or may be. */
function isOfText(type: Field_Type): boolean {
  return type !== Field_Type.LONG && type !== Field_Type.DOUBLE && type !== Field_Type.BOOLEAN;
}

/** Whether COPY is given a number as it was pushed; the other tokens it is. */
function isPlainToken(
  json: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  type: Field_Type,
): boolean {
  if (type !== Field_Type.LONG && type !== Field_Type.DOUBLE) return true;
  if (json[from]! >= LOWER_E) return json[from] === LOWER_N;
  if (type === Field_Type.DOUBLE && to - from > DOUBLE_BYTES_MAX) return false;
  for (let i = from; i < to; i += 1) {
    const code = json[i]!;
    if ((code | 0x20) === LOWER_E || (code === POINT && type === Field_Type.LONG)) return false;
  }
  return true;
}
