/** A JSON text checked from end to end in slices, so that pushes in the same process do not wait. */
import { JsonFault } from "../core/json-fault.ts";
import type { JsonPath } from "../core/json-path.ts";
import { expectByte, type JsonScan, peekSpaced, scanValue } from "../core/json-scan.ts";
import { readName } from "./push-record.ts";
import { yieldTurn } from "./record-set.ts";

/** Where a value stands. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

/** Bytes between turns: below a millisecond. */
const SLICE_BYTES = 128 * 1024;
/** Levels whose members are passed one by one; what lies deeper is passed at once. */
const LEVELS = 8;
const NAMES_MAX = 10_000;

interface Slices extends JsonScan {
  /** Where the last turn was given. */
  mark: number;
}

/**
 * Passes the value at the scan's place; gives the place of the value at a path within it, undefined when
 * there is none. Throws JsonFault.
 */
export async function scanInSlices(scan: JsonScan, path: JsonPath): Promise<JsonSpan | undefined> {
  const slices = Object.assign(scan, { mark: scan.at });
  return passValue(slices, 1, path);
}

/** `path` leads on from here; undefined where nothing is looked for. */
async function passValue(
  s: Slices,
  depth: number,
  path: JsonPath | undefined,
): Promise<JsonSpan | undefined> {
  const first = peekSpaced(s);
  const start = s.at;
  let found: JsonSpan | undefined;
  if (first === 0x7b && depth <= LEVELS) found = await passObject(s, depth, path);
  else if (first === 0x5b && depth <= LEVELS) found = await passArray(s, depth, path);
  else scanValue(s, depth);
  if (s.at - s.mark >= SLICE_BYTES) {
    s.mark = s.at;
    await yieldTurn();
  }
  return path?.length === 0 ? { start, end: s.at } : found;
}

async function passObject(
  s: Slices,
  depth: number,
  path: JsonPath | undefined,
): Promise<JsonSpan | undefined> {
  const names = new Set<string>();
  let found: JsonSpan | undefined;
  s.at++;
  if (peekSpaced(s) === 0x7d) {
    s.at++;
    return undefined;
  }
  for (;;) {
    const name = readName(s, names);
    if (names.size > NAMES_MAX) {
      throw new JsonFault(s.at, `more than ${NAMES_MAX} names in one object`);
    }
    found = (await passValue(s, depth + 1, stepInto(path, name))) ?? found;
    if (peekSpaced(s) !== 0x2c) break;
    s.at++;
  }
  expectByte(s, 0x7d, 'a "," or "}"');
  return found;
}

async function passArray(
  s: Slices,
  depth: number,
  path: JsonPath | undefined,
): Promise<JsonSpan | undefined> {
  let found: JsonSpan | undefined;
  s.at++;
  if (peekSpaced(s) === 0x5d) {
    s.at++;
    return undefined;
  }
  for (let index = 0; ; index++) {
    found = (await passValue(s, depth + 1, stepInto(path, index))) ?? found;
    if (peekSpaced(s) !== 0x2c) break;
    s.at++;
  }
  expectByte(s, 0x5d, 'a "," or "]"');
  return found;
}

function stepInto(path: JsonPath | undefined, step: string | number): JsonPath | undefined {
  return path && path.length > 0 && path[0] === step ? path.slice(1) : undefined;
}
