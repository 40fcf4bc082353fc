/**
 * Finds equal names in one object without making strings for small objects. The names of the object
 * at each level are remembered in tables shared by all scans: a scan of one value is synchronous, so
 * no two use them at once.
 */
import { echo, JsonFault } from "./json-fault.ts";

/** Names that one object may have. */
export const JSON_NAMES_MAX = 10_000;

/** Objects with more names than this use a set. */
const SMALL = 8;
const LEVELS = 66;

const spans = new Int32Array(LEVELS * SMALL * 2);
const sets: (Set<string> | undefined)[] = new Array(LEVELS).fill(undefined);

/** A name just passed: `bytes[start]` is its opening quote, `s.at` is behind the closing one. */
interface Name {
  readonly start: number;
  /** Level of the object; the outermost value has 1. */
  readonly depth: number;
  /** Names that the object had before. */
  readonly count: number;
  readonly hasEscapes: boolean;
}

/** Refuses a name that the object at this level has already, or one name too many. */
export function checkName(
  s: { readonly bytes: Uint8Array; readonly at: number },
  name: Name,
): void {
  const { start, depth, count } = name;
  if (count === 0) sets[depth] = undefined;
  let set = sets[depth];
  if (!set && count < SMALL && !name.hasEscapes) {
    checkSmall(s.bytes, s.at, name);
    return;
  }
  if (count >= JSON_NAMES_MAX) {
    throw new JsonFault(start, `an object may have ${JSON_NAMES_MAX} names`);
  }
  if (!set) {
    set = new Set();
    const base = depth * SMALL * 2;
    for (let i = 0; i < count; i++) {
      set.add(nameKey(s.bytes, spans[base + i * 2]!, spans[base + i * 2 + 1]!));
    }
    sets[depth] = set;
  }
  const key = name.hasEscapes ? decodedKey(s.bytes, start, s.at) : nameKey(s.bytes, start, s.at);
  set.add(key);
  if (set.size === count) throw twice(s.bytes, start, s.at);
}

function checkSmall(bytes: Uint8Array, end: number, { start, depth, count }: Name): void {
  const base = depth * SMALL * 2;
  const length = end - start;
  for (let i = base; i < base + count * 2; i += 2) {
    const other = spans[i]!;
    if (spans[i + 1]! - other === length && isSame(bytes, other, start, length)) {
      throw twice(bytes, start, end);
    }
  }
  spans[base + count * 2] = start;
  spans[base + count * 2 + 1] = end;
}

function isSame(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = length - 2; i > 0; i--) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Bytes as text, one character each: equal exactly when the bytes are. */
function nameKey(bytes: Uint8Array, start: number, end: number): string {
  // With the quote in front it is never a number, whose hash in V8 anybody can foresee.
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - 1 - start).toString("latin1");
}

/** The same for a name with escapes. */
function decodedKey(bytes: Uint8Array, start: number, end: number): string {
  return `"${Buffer.from(decodeString(bytes, start, end)).toString("latin1")}`;
}

/** The text of a scanned string, quotes included in the span. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  return JSON.parse(source.toString("utf8")) as string;
}

function twice(bytes: Uint8Array, start: number, end: number): JsonFault {
  return new JsonFault(start, `the name ${echo(bytes, start, end)} stands twice in one object`);
}
