/** What is wrong with JSON text, and where. */
import { isUtf8 } from "node:buffer";
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "./errors.ts";

/** Bytes of a caller's input that an error may repeat. */
const ECHO_BYTES_MAX = 60;

/** A fault at a byte of a text. */
export class JsonFault extends Error {
  override readonly name = "JsonFault";
  /** Offset in bytes from the start of the buffer. */
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** Line and column (in bytes) of an offset, both from 1. */
export function positionOf(
  bytes: Uint8Array,
  offset: number,
): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (;;) {
    const at = bytes.indexOf(0x0a, start);
    if (at === -1 || at >= offset) break;
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

/**
 * INVALID_JSON that names the place within the text. `what` is the text in words ("the body" when
 * not given), `base` where it begins in `bytes`.
 */
export function failJson(
  fault: JsonFault,
  bytes: Uint8Array,
  { base = 0, what = "the body" }: { readonly base?: number; readonly what?: string } = {},
): ConnectError {
  const offset = fault.offset - base;
  const { line, column } = positionOf(base === 0 ? bytes : bytes.subarray(base), offset);
  const place = `byte ${offset} (line ${line}, column ${column})`;
  return fail("INVALID_JSON", `${what} is not valid JSON at ${place}: ${fault.message}`, {
    metadata: { offset: String(offset), line: String(line), column: String(column) },
  });
}

/** A piece of the caller's text for an error: at most 60 bytes, cut at a character. */
export function echo(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= ECHO_BYTES_MAX) return text(bytes, start, end);
  let cut = start + ECHO_BYTES_MAX;
  while (cut > start && (bytes[cut]! & 0xc0) === 0x80) cut--;
  return `${text(bytes, start, cut)}…`;
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

/** Refuses bytes that are not UTF-8, naming the first bad byte: overlong forms and surrogates too. */
export function requireUtf8(bytes: Uint8Array): void {
  if (isUtf8(bytes)) return;
  // The good prefix by bisection: a prefix is judged after cutting an unfinished last character.
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isUtf8(bytes.subarray(0, wholeCharacters(bytes, middle)))) low = middle;
    else high = middle - 1;
  }
  throw new JsonFault(wholeCharacters(bytes, low), "it is not UTF-8 here");
}

/** The end of the last whole character before `end`. */
function wholeCharacters(bytes: Uint8Array, end: number): number {
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? end - back : end;
  }
  return end;
}
