/**
 * Records in the JSON forms that generated code reads (streams, gRPC with JSON), kept byte for byte:
 * before Connect parses a message, each record's `value` is replaced by `json` with the same bytes.
 */
import { JsonFault } from "../core/json-fault.ts";
import { decodeString } from "../core/json-names.ts";
import { expectByte, type JsonScan, peekSpaced, scanString, scanValue } from "../core/json-scan.ts";

/** As a TextDecoder, for the place where Connect lets one be given. */
export interface JsonTextDecoder {
  decode(bytes?: Uint8Array): string;
}

/** A piece of the message that gives way to another text. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Wraps the decoder of other messages, which also judges the text that comes out of this one. */
export function pushTextDecoder(inner: JsonTextDecoder): JsonTextDecoder {
  return {
    decode(bytes = new Uint8Array(0)) {
      const edits: Edit[] = [];
      try {
        const scan = { bytes, at: 0, end: bytes.length };
        findValues(scan, edits);
        return inner.decode(splice(bytes, edits));
      } catch (error) {
        // Not our place to refuse it: the inner decoder and Connect's parser word it.
        if (error instanceof JsonFault) return inner.decode(bytes);
        throw error;
      }
    },
  };
}

function findValues(scan: JsonScan, edits: Edit[]): void {
  if (scan.bytes[0] === 0xef) scan.at = 3;
  forEachMember(scan, (name) => {
    if (name === "push") findRecords(scan, edits);
    else if (name === "records") findInArray(scan, edits);
    else scanValue(scan, 3);
  });
}

function findRecords(scan: JsonScan, edits: Edit[]): void {
  forEachMember(scan, (name) => {
    if (name === "records") findInArray(scan, edits);
    else scanValue(scan, 3);
  });
}

function findInArray(scan: JsonScan, edits: Edit[]): void {
  expectByte(scan, 0x5b, "an array");
  for (let isFirst = true; peekSpaced(scan) !== 0x5d; isFirst = false) {
    if (!isFirst) expectByte(scan, 0x2c, 'a ","');
    forEachMember(scan, (name, nameStart) => {
      const isObject = peekSpaced(scan) === 0x7b;
      const start = scan.at;
      scanValue(scan, 1);
      if (name !== "value" || !isObject) return;
      const record = Buffer.from(scan.bytes.subarray(start, scan.at)).toString("base64");
      edits.push({ start: nameStart, end: scan.at, text: `"json":"${record}"` });
    });
  }
  scan.at++;
}

/** Calls back at each value of an object; the callback must pass it. */
function forEachMember(scan: JsonScan, visit: (name: string, nameStart: number) => void): void {
  expectByte(scan, 0x7b, "an object");
  for (let isFirst = true; peekSpaced(scan) !== 0x7d; isFirst = false) {
    if (!isFirst) expectByte(scan, 0x2c, 'a ","');
    if (peekSpaced(scan) !== 0x22) throw new JsonFault(scan.at, "expected a name in quotes");
    const start = scan.at;
    scanString(scan);
    const name = decodeString(scan.bytes, start, scan.at);
    expectByte(scan, 0x3a, 'a ":"');
    visit(name, start);
  }
  scan.at++;
}

function splice(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return bytes;
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const edit of edits) {
    pieces.push(bytes.subarray(at, edit.start), Buffer.from(edit.text));
    at = edit.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
