/**
 * A strict scanner of JSON (RFC 8259) over bytes: it makes no objects and leaves numbers as they
 * stand, so a record can be checked and stored byte for byte. It refuses, beside what the grammar
 * refuses, lone surrogate escapes, equal names in one object (RFC 8259 leaves them open), more than
 * 64 levels and more than 10,000 names in one object. That the bytes are UTF-8 must be known before
 * (`requireUtf8`). Time is linear in the bytes, also for hostile text. All functions throw JsonFault.
 */
import { JsonFault } from "./json-fault.ts";
import { checkName } from "./json-names.ts";

/** Levels of arrays and objects that a value may have; the value itself is level 1. */
export const JSON_DEPTH_MAX = 64;

/** Where a scan stands. `end` bounds it: no byte at or behind it is read. */
export interface JsonScan {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
}

/** Skips space, tab, line feed and carriage return, and returns the byte then, or -1. */
export function peekSpaced(s: JsonScan): number {
  const { bytes, end } = s;
  let at = s.at;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) {
      s.at = at;
      return byte;
    }
    at++;
  }
  s.at = at;
  return -1;
}

/** The fault at the scan's place. */
export function faultHere(s: JsonScan, wanted: string): JsonFault {
  return new JsonFault(
    s.at,
    s.at >= s.end ? `it ends where ${wanted} should be` : `expected ${wanted}`,
  );
}

/** Skips white space and the byte `wanted`, which must be next. */
export function expectByte(s: JsonScan, wanted: number, what: string): void {
  if (peekSpaced(s) !== wanted) throw faultHere(s, what);
  s.at++;
}

/** Passes a string that begins at the scan's place. Returns whether it holds escapes. */
export function scanString(s: JsonScan): boolean {
  const { bytes, end } = s;
  let at = s.at + 1;
  let hasEscapes = false;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      s.at = at + 1;
      return hasEscapes;
    }
    if (byte === 0x5c) {
      hasEscapes = true;
      at = passEscape(s, at);
    } else if (byte < 0x20) {
      throw new JsonFault(at, "a control character in a string must be written as an escape");
    } else at++;
  }
  throw new JsonFault(end, "it ends inside a string");
}

function passEscape(s: JsonScan, at: number): number {
  if (at + 1 >= s.end) throw new JsonFault(s.end, "it ends inside a string");
  switch (s.bytes[at + 1]) {
    case 0x22:
    case 0x5c:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return at + 2;
    case 0x75:
      break;
    default:
      throw new JsonFault(at, "no such escape in JSON");
  }
  const unit = hexUnit(s, at);
  if (unit < 0xd800 || unit > 0xdfff) return at + 6;
  if (unit < 0xdc00 && s.bytes[at + 6] === 0x5c && s.bytes[at + 7] === 0x75 && at + 7 < s.end) {
    const low = hexUnit(s, at + 6);
    if (low >= 0xdc00 && low <= 0xdfff) return at + 12;
  }
  throw new JsonFault(at, "half of a surrogate pair: it stands for no character");
}

/** The code unit of `\uXXXX` at `at`. */
function hexUnit(s: JsonScan, at: number): number {
  let unit = 0;
  for (let i = at + 2; i < at + 6; i++) {
    const digit = i < s.end ? hexDigit(s.bytes[i]!) : -1;
    if (digit < 0) throw new JsonFault(Math.min(i, s.end), "\\u needs four hexadecimal digits");
    unit = unit * 16 + digit;
  }
  return unit;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Passes a number that begins at the scan's place. Returns whether it has a fraction or exponent. */
export function scanNumber(s: JsonScan): boolean {
  const { bytes, end } = s;
  let at = s.at;
  if (bytes[at] === 0x2d) at++;
  const first = at;
  while (at < end && isDigit(bytes[at]!)) at++;
  if (at === first) throw new JsonFault(at, "expected a digit");
  if (bytes[first] === 0x30 && at > first + 1) {
    throw new JsonFault(first, "a number may not begin with a zero before other digits");
  }
  let isPlain = true;
  if (at < end && bytes[at] === 0x2e) {
    isPlain = false;
    at = passDigits(s, at + 1);
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    isPlain = false;
    const sign = bytes[at + 1];
    at = passDigits(s, sign === 0x2b || sign === 0x2d ? at + 2 : at + 1);
  }
  s.at = at;
  return !isPlain;
}

/** Whether a byte is an ASCII digit. */
export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function passDigits(s: JsonScan, start: number): number {
  let at = start;
  while (at < s.end && isDigit(s.bytes[at]!)) at++;
  if (at === start) throw new JsonFault(Math.min(at, s.end), "expected a digit");
  return at;
}

const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

/** Passes `true`, `false` or `null`, of which `first` is the first byte. */
export function scanLiteral(s: JsonScan, first: number): void {
  const word = first === 0x74 ? TRUE : first === 0x66 ? FALSE : NULL;
  for (let i = 0; i < word.length; i++) {
    if (s.at + i >= s.end || s.bytes[s.at + i] !== word[i]) throw faultHere(s, "a JSON value");
  }
  s.at += word.length;
}

/** Passes any value after white space. `depth` is the level of the value, 1 for the outermost. */
export function scanValue(s: JsonScan, depth: number): void {
  const byte = peekSpaced(s);
  if (byte === 0x22) scanString(s);
  else if (byte === 0x2d || isDigit(byte)) scanNumber(s);
  else if (byte === 0x7b) scanObject(s, depth);
  else if (byte === 0x5b) scanArray(s, depth);
  else if (byte === 0x74 || byte === 0x66 || byte === 0x6e) scanLiteral(s, byte);
  else throw faultHere(s, "a JSON value");
}

/** Refuses a level that is too deep; called at the opening bracket. */
export function checkDepth(s: JsonScan, depth: number): void {
  if (depth > JSON_DEPTH_MAX) {
    throw new JsonFault(s.at, `arrays and objects may be ${JSON_DEPTH_MAX} levels deep`);
  }
}

function scanArray(s: JsonScan, depth: number): void {
  checkDepth(s, depth);
  s.at++;
  if (peekSpaced(s) === 0x5d) {
    s.at++;
    return;
  }
  for (;;) {
    scanValue(s, depth + 1);
    const byte = peekSpaced(s);
    if (byte !== 0x2c && byte !== 0x5d) throw faultHere(s, 'a "," or "]"');
    s.at++;
    if (byte === 0x5d) return;
  }
}

function scanObject(s: JsonScan, depth: number): void {
  checkDepth(s, depth);
  s.at++;
  if (peekSpaced(s) === 0x7d) {
    s.at++;
    return;
  }
  for (let count = 0; ; count++) {
    if (peekSpaced(s) !== 0x22) throw faultHere(s, "a name in quotes");
    const start = s.at;
    const hasEscapes = scanString(s);
    checkName(s, { start, depth, count, hasEscapes });
    expectByte(s, 0x3a, 'a ":"');
    scanValue(s, depth + 1);
    const byte = peekSpaced(s);
    if (byte !== 0x2c && byte !== 0x7d) throw faultHere(s, 'a "," or "}"');
    s.at++;
    if (byte === 0x7d) return;
  }
}
