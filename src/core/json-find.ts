/** Finds the value at a path in JSON bytes without making objects. The bytes must be valid JSON. */
import { decodeString } from "./json-names.ts";
import type { JsonPath } from "./json-path.ts";
import { type JsonScan, peekSpaced, scanString, scanValue } from "./json-scan.ts";

/** Depth that is passed to the scanner for values whose depth was checked before. */
const ANY_DEPTH = 2;

/** The text of a string, or the source of a number or boolean, at a path; undefined for all else. */
export function findScalar(
  bytes: Uint8Array,
  span: { readonly start: number; readonly end: number },
  path: JsonPath,
): string | undefined {
  const s: JsonScan = { bytes, at: span.start, end: span.end };
  for (const step of path) {
    const isFound = typeof step === "number" ? enterItem(s, step) : enterMember(s, step);
    if (!isFound) return undefined;
  }
  const first = peekSpaced(s);
  const start = s.at;
  if (first === -1 || first === 0x7b || first === 0x5b || first === 0x6e) return undefined;
  if (first === 0x22) {
    scanString(s);
    return decodeString(bytes, start, s.at);
  }
  scanValue(s, ANY_DEPTH);
  return Buffer.from(bytes.subarray(start, s.at)).toString("latin1");
}

/** Moves to the value of a member; false when the value here is no object or has none of that name. */
function enterMember(s: JsonScan, name: string): boolean {
  if (peekSpaced(s) !== 0x7b) return false;
  s.at++;
  while (peekSpaced(s) === 0x22) {
    const start = s.at;
    scanString(s);
    const isWanted = decodeString(s.bytes, start, s.at) === name;
    peekSpaced(s);
    s.at++;
    if (isWanted) return true;
    scanValue(s, ANY_DEPTH);
    if (peekSpaced(s) !== 0x2c) return false;
    s.at++;
  }
  return false;
}

/** Moves to an item of an array. */
function enterItem(s: JsonScan, index: number): boolean {
  if (peekSpaced(s) !== 0x5b) return false;
  s.at++;
  if (peekSpaced(s) === 0x5d) return false;
  for (let i = 0; i < index; i++) {
    scanValue(s, ANY_DEPTH);
    if (peekSpaced(s) !== 0x2c) return false;
    s.at++;
  }
  return true;
}
