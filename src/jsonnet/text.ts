/**
 * Strings as Jsonnet sees them: sequences of Unicode code points. JavaScript counts UTF-16 units, which
 * is the same for strings without surrogates, so those take a short way.
 */
import { allocate, scan, spend } from "./meter.ts";

const SURROGATE = /[\ud800-\udfff]/;

// The last long string that was looked at: loops over one string look at it again and again.
let lastPlain = "";
let lastSplit = "";
let lastPoints: readonly string[] = [];

/** Whether code points and UTF-16 units are the same here. */
export function isPlain(text: string): boolean {
  if (text.length < 16) return !SURROGATE.test(text);
  compared(text);
  if (text !== lastPlain) {
    scan(text.length);
    if (SURROGATE.test(text)) return false;
  }
  lastPlain = text;
  return true;
}

/** The code points of a string, each as a string. */
export function codePoints(text: string): readonly string[] {
  compared(text);
  if (text !== lastSplit) {
    allocate(text.length * 16);
    scan(text.length * 8);
    lastPoints = Array.from(text);
  }
  lastSplit = text;
  return lastPoints;
}

/** Two strings with the same characters are compared to the end where they are not one in memory, so the last one is kept. */
function compared(text: string): void {
  spend(text.length >> 12);
}

/** The length in code points. */
export function lengthOf(text: string): number {
  return isPlain(text) ? text.length : codePoints(text).length;
}

/** The code points from `from` up to `to`, not including it; both within the string. */
export function sliceText(text: string, from: number, to: number): string {
  return isPlain(text) ? text.slice(from, to) : codePoints(text).slice(from, to).join("");
}

/** Less than, equal to or greater than zero, by code points. */
export function compareText(left: string, right: string): number {
  scan(Math.min(left.length, right.length));
  if (left === right) return 0;
  if (!SURROGATE.test(left) && !SURROGATE.test(right)) return left < right ? -1 : 1;
  return compareCodePoints(left, right);
}

function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [left.charCodeAt(i), right.charCodeAt(i)];
    if (a === b) continue;
    // A surrogate stands for a code point above every other unit.
    const [aHigh, bHigh] = [isSurrogate(a), isSurrogate(b)];
    if (aHigh !== bHigh) return aHigh ? 1 : -1;
    return a < b ? -1 : 1;
  }
  return left.length - right.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** Makes sure that a string of the host or of JSON holds no half of a surrogate pair. */
export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}
