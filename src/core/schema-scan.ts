/** What the checks of a schema share: the scan of a record, and the faults found in it. */
import { type JsonScan, peekSpaced, scanLiteral, scanValue } from "./json-scan.ts";

/** Faults that are gathered over a call before it is refused. */
export const FAULTS_MAX = 20;

/** A scan that gathers faults of records. One object serves a whole call. */
export interface RecordScan extends JsonScan {
  /** Paths grow from the inside out while checks return: `id`, `site.id`. */
  readonly faults: { path: string; description: string }[];
  /** Start and end of each key field's value in the record last checked, by position in the key. */
  readonly keySpans: Int32Array;
}

/**
 * Checks the value at the scan's place and passes it. `byte` is its first byte, never that of null;
 * `depth` its level. Throws JsonFault only for what is no JSON.
 */
export type ValueCheck = (s: RecordScan, byte: number, depth: number) => void;

/** A value's check with the question of null. */
export interface NullableCheck {
  readonly check: ValueCheck;
  readonly isNullable: boolean;
}

/** Of all scans: whoever needs the key of a record asks right after its check. */
const keySpans = new Int32Array(16);

/** A scan over `bytes`. */
export function recordScan(bytes: Uint8Array, end = bytes.length): RecordScan {
  return { bytes, at: 0, end, faults: [], keySpans };
}

/** Notes a fault of the value at hand; beyond the limit it is dropped. */
export function report(s: RecordScan, description: string): void {
  if (s.faults.length < FAULTS_MAX) s.faults.push({ path: "", description });
}

/** Notes that the value is of another type, and passes it. */
export function mismatch(
  s: RecordScan,
  value: { readonly byte: number; readonly depth: number },
  wanted: string,
): void {
  report(s, `is ${kindOf(value.byte)}, ${wanted} is needed`);
  scanValue(s, value.depth);
}

/** Passes white space and checks the value behind it. */
export function checkNullable(s: RecordScan, target: NullableCheck, depth: number): void {
  const byte = peekSpaced(s);
  if (byte === 0x6e) {
    scanLiteral(s, byte);
    if (!target.isNullable) report(s, "is null, but the field is not nullable: give it a value");
  } else target.check(s, byte, depth);
}

/** Puts a step in front of the paths of the faults noted since `first`. */
export function prefixFaults(s: RecordScan, first: number, step: string): void {
  for (let i = first; i < s.faults.length; i++) {
    const fault = s.faults[i]!;
    const joint = fault.path === "" || fault.path.startsWith("[") ? "" : ".";
    fault.path = `${step}${joint}${fault.path}`;
  }
}

function kindOf(byte: number): string {
  if (byte === 0x22) return "a string";
  if (byte === 0x7b) return "an object";
  if (byte === 0x5b) return "an array";
  if (byte === 0x74 || byte === 0x66) return "a boolean";
  return "a number";
}
