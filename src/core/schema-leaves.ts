/** Checks of values that hold no other values. */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { decodeString } from "./json-names.ts";
import { longText } from "./json-number.ts";
import { isDigit, scanLiteral, scanNumber, scanString, scanValue } from "./json-scan.ts";
import { mismatch, type RecordScan, report, type ValueCheck } from "./schema-scan.ts";
import { readDate, timestampFault } from "./schema-time.ts";

/** Digits that are within the range of a long, whatever they are. */
const LONG_DIGITS_SURE = 18;

const checkString: ValueCheck = (s, byte, depth) => {
  if (byte === 0x22) scanString(s);
  else mismatch(s, { byte, depth }, "a string (STRING)");
};

const checkLong: ValueCheck = (s, byte, depth) => {
  if (byte !== 0x2d && !isDigit(byte)) {
    mismatch(s, { byte, depth }, "an integer (LONG), as a number without quotes,");
    return;
  }
  const start = s.at;
  if (!scanNumber(s) && s.at - start <= LONG_DIGITS_SURE) return;
  const result = longText(sourceText(s.bytes, start, s.at));
  if (result === "fraction") report(s, "has a fraction, an integer (LONG) is needed");
  else if (result === "range") report(s, "is beyond -2^63 to 2^63 - 1, the range of LONG");
};

const checkDouble: ValueCheck = (s, byte, depth) => {
  if (byte !== 0x2d && !isDigit(byte)) {
    mismatch(s, { byte, depth }, "a number (DOUBLE)");
    return;
  }
  const start = s.at;
  scanNumber(s);
  if (s.at - start <= 20 && !hasExponent(s.bytes, start, s.at)) return;
  if (!Number.isFinite(Number(sourceText(s.bytes, start, s.at)))) {
    report(s, "is beyond the range of DOUBLE (about 1.8e308): use DECIMAL for such numbers");
  }
};

const checkDecimal: ValueCheck = (s, byte, depth) => {
  if (byte === 0x2d || isDigit(byte)) scanNumber(s);
  else if (byte === 0x22) {
    const { bytes, start, end } = stringContent(s);
    const inner = { bytes, at: start, end };
    const first = start < end ? bytes[start]! : 0;
    if (!isNumberAlone(inner, first)) report(s, "is a string that holds no JSON number (DECIMAL)");
  } else mismatch(s, { byte, depth }, "a number, or a string that holds one, (DECIMAL)");
};

function isNumberAlone(s: { bytes: Uint8Array; at: number; end: number }, first: number): boolean {
  if (first !== 0x2d && !isDigit(first)) return false;
  try {
    scanNumber(s);
  } catch {
    return false;
  }
  return s.at === s.end;
}

const checkBoolean: ValueCheck = (s, byte, depth) => {
  if (byte === 0x74 || byte === 0x66) scanLiteral(s, byte);
  else mismatch(s, { byte, depth }, "true or false (BOOLEAN)");
};

const checkTimestamp: ValueCheck = (s, byte, depth) => {
  if (byte !== 0x22) {
    mismatch(s, { byte, depth }, "a string such as 2026-01-31T12:00:00Z (TIMESTAMP)");
    return;
  }
  const { bytes, start, end } = stringContent(s);
  const fault = timestampFault(bytes, start, end);
  if (fault !== undefined) report(s, `${fault} (TIMESTAMP, RFC 3339)`);
};

const checkDate: ValueCheck = (s, byte, depth) => {
  if (byte !== 0x22) {
    mismatch(s, { byte, depth }, "a string such as 2026-01-31 (DATE)");
    return;
  }
  const { bytes, start, end } = stringContent(s);
  const result = end - start > 10 ? "is not YYYY-MM-DD" : readDate(bytes, start, end);
  if (typeof result === "string") report(s, `${result} (DATE)`);
};

/** 1 for the letters of base64 (RFC 4648 section 4). */
const BASE64 = new Uint8Array(256);
for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
  BASE64[letter.charCodeAt(0)] = 1;
}

const checkBinary: ValueCheck = (s, byte, depth) => {
  if (byte !== 0x22) {
    mismatch(s, { byte, depth }, "a string of base64 (BINARY)");
    return;
  }
  const { bytes, start, end } = stringContent(s);
  let last = end;
  while (last > start && end - last < 2 && bytes[last - 1] === 0x3d) last--;
  let at = start;
  while (at < last && BASE64[bytes[at]!] === 1) at++;
  if (at < last)
    report(s, "holds a character that base64 does not have (BINARY, RFC 4648 section 4)");
  else if ((end - start) % 4 !== 0) {
    report(s, "is not padded with = to a multiple of four characters (BINARY)");
  }
};

const checkJson: ValueCheck = (s, _byte, depth) => scanValue(s, depth);

/** By type; containers are in schema-check. */
export const LEAF_CHECKS: ReadonlyMap<Field_Type, ValueCheck> = new Map([
  [Field_Type.STRING, checkString],
  [Field_Type.LONG, checkLong],
  [Field_Type.DOUBLE, checkDouble],
  [Field_Type.DECIMAL, checkDecimal],
  [Field_Type.BOOLEAN, checkBoolean],
  [Field_Type.TIMESTAMP, checkTimestamp],
  [Field_Type.DATE, checkDate],
  [Field_Type.BINARY, checkBinary],
  [Field_Type.JSON, checkJson],
]);

/** Passes a string and gives the bytes it stands for: in place, or decoded when it holds escapes. */
function stringContent(s: RecordScan): { bytes: Uint8Array; start: number; end: number } {
  const start = s.at;
  if (!scanString(s)) return { bytes: s.bytes, start: start + 1, end: s.at - 1 };
  const bytes = Buffer.from(decodeString(s.bytes, start, s.at));
  return { bytes, start: 0, end: bytes.length };
}

function hasExponent(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i]! | 0x20) === 0x65) return true;
  return false;
}

function sourceText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
