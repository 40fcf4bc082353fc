/**
 * Request bytes to JSON text, refusing what a lenient decoder would change in silence: invalid UTF-8
 * (stored as U+FFFD otherwise), lone surrogates, and nesting that makes parsers slow or recursive.
 */
import { fail } from "../core/errors.ts";

/** Deepest nesting of arrays and objects. */
export const JSON_DEPTH_MAX = 64;

const UTF8 = new TextDecoder("utf-8", { fatal: true });
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** Decodes JSON text; a byte order mark is dropped. Fails with INVALID_JSON naming the fault. */
export function decodeJsonText(bytes: Uint8Array): string {
  checkNesting(bytes);
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw fail("INVALID_JSON", "the body is not valid UTF-8", { cause: error });
  }
}

/** As a TextDecoder, for the place where Connect lets one be given. */
export const jsonTextDecoder = { decode: decodeJsonText };

function checkNesting(bytes: Uint8Array): void {
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = skipString(bytes, i);
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > JSON_DEPTH_MAX) {
        throw fail("INVALID_JSON", `nested deeper than ${JSON_DEPTH_MAX} levels at byte ${i}`);
      }
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
}

/** Index of the quote that ends the string which begins at `start`. */
function skipString(bytes: Uint8Array, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === QUOTE) return i;
    if (bytes[i] === BACKSLASH) i = skipEscape(bytes, i);
  }
  return bytes.length;
}

/** Index of the last byte of the escape, or pair of escapes, that begins at `start`. */
function skipEscape(bytes: Uint8Array, start: number): number {
  const unit = unitAt(bytes, start);
  if (unit === undefined || unit < 0xd800 || unit > 0xdfff) return start + 1;
  const low = unitAt(bytes, start + 6);
  if (unit < 0xdc00 && low !== undefined && low >= 0xdc00 && low <= 0xdfff) return start + 11;
  throw fail("INVALID_JSON", `half a surrogate pair at byte ${start}`);
}

/** The UTF-16 unit of a `\uXXXX` escape at the index; undefined when there is none. */
function unitAt(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== BACKSLASH || bytes[at + 1] !== LETTER_U) return undefined;
  const hex = String.fromCharCode(...bytes.subarray(at + 2, at + 6));
  return /^[0-9a-fA-F]{4}$/.test(hex) ? Number.parseInt(hex, 16) : undefined;
}
