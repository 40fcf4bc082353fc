/** One PushRecord in JSON: `{"value":{…},"id":"…"}` or `{"json":"<base64>"}`. */
import { failFields } from "../core/errors.ts";
import { echo, JsonFault } from "../core/json-fault.ts";
import { decodeString } from "../core/json-names.ts";
import {
  expectByte,
  faultHere,
  type JsonScan,
  peekSpaced,
  scanLiteral,
  scanString,
} from "../core/json-scan.ts";
import { countOf, type RecordCollector, takeApart, takeId, takeRecord } from "./record-set.ts";

const FAST_HEAD = Buffer.from('{"value":');

/**
 * Reads the PushRecord at the scan's place into the collector. Fails with INVALID_FIELDS when a field
 * is unknown or has the wrong type; throws JsonFault for what is no JSON.
 */
export function readPushRecord(collector: RecordCollector): void {
  const { scan } = collector;
  if (peekSpaced(scan) !== 0x7b) {
    const field = `records[${countOf(collector)}]`;
    if (scan.at >= scan.end) throw faultHere(scan, 'a record such as {"value":{…}}');
    throw failFields([{ field, description: 'is not an object such as {"value":{…}}' }]);
  }
  const start = scan.at;
  if (hasFastHead(scan)) {
    scan.at += FAST_HEAD.length;
    if (peekSpaced(scan) === 0x7b) {
      takeRecord(collector);
      if (peekSpaced(scan) === 0x7d) scan.at++;
      else readMembers(collector, true);
      return;
    }
    scan.at = start;
  }
  scan.at++;
  readMembers(collector, false);
}

function hasFastHead({ bytes, at, end }: JsonScan): boolean {
  if (at + FAST_HEAD.length >= end) return false;
  for (let i = 0; i < FAST_HEAD.length; i++) if (bytes[at + i] !== FAST_HEAD[i]) return false;
  return true;
}

/** Members up to the closing brace; `hasValue` when `value` was read and the next byte is behind it. */
function readMembers(collector: RecordCollector, hasValue: boolean): void {
  const { scan } = collector;
  const index = hasValue ? countOf(collector) - 1 : countOf(collector);
  const seen = new Set<string>(hasValue ? ["value"] : []);
  let hasPayload = hasValue;
  let id: string | undefined;
  let isFirst = !hasValue;
  for (;;) {
    const byte = peekSpaced(scan);
    if (byte === 0x7d) break;
    if (!isFirst) expectByte(scan, 0x2c, 'a "," or "}"');
    isFirst = false;
    const name = readName(scan, seen);
    if (name === "id") id = readText(scan, `records[${index}].id`);
    else if (name === "value" || name === "json") {
      const isSet = readPayload(collector, name, index);
      if (isSet && hasPayload) {
        const description = "has both value and json: give one of them";
        throw failFields([{ field: `records[${index}]`, description }]);
      }
      hasPayload ||= isSet;
    } else {
      const description = `has no field "${name.slice(0, 60)}": a record has value or json, and id`;
      throw failFields([{ field: `records[${index}]`, description }]);
    }
  }
  scan.at++;
  if (!hasPayload) {
    const description = 'has neither value nor json: write {"value":{…}}';
    throw failFields([{ field: `records[${index}]`, description }]);
  }
  if (id !== undefined) takeId(collector, id);
}

/** Reads `value` or `json`; false when it is null. */
function readPayload(collector: RecordCollector, name: "value" | "json", index: number): boolean {
  const { scan } = collector;
  const byte = peekSpaced(scan);
  if (byte === 0x6e) {
    scanLiteral(scan, byte);
    return false;
  }
  if (name === "json") {
    takeApart(collector, readBase64(scan, `records[${index}].json`));
    return true;
  }
  if (byte !== 0x7b) {
    if (byte === -1) throw faultHere(scan, "a record");
    const field = `records[${index}].value`;
    throw failFields([{ field, description: "is not a JSON object, which a record is" }]);
  }
  takeRecord(collector);
  return true;
}

/** A member's name and its colon; a name that stands twice is refused. */
export function readName(scan: JsonScan, seen: Set<string>): string {
  if (peekSpaced(scan) !== 0x22) throw faultHere(scan, "a name in quotes");
  const start = scan.at;
  scanString(scan);
  const name = decodeString(scan.bytes, start, scan.at);
  if (seen.has(name)) {
    const text = echo(scan.bytes, start, scan.at);
    throw new JsonFault(start, `the name ${text} stands twice in one object`);
  }
  seen.add(name);
  expectByte(scan, 0x3a, 'a ":"');
  return name;
}

/** A string, where null stands for the empty one. */
export function readText(scan: JsonScan, field: string): string {
  const byte = peekSpaced(scan);
  if (byte === 0x6e) {
    scanLiteral(scan, byte);
    return "";
  }
  if (byte !== 0x22) {
    if (byte === -1) throw faultHere(scan, "a string");
    throw failFields([{ field, description: "is not a string" }]);
  }
  const start = scan.at;
  scanString(scan);
  return decodeString(scan.bytes, start, scan.at);
}

/** Bytes in base64, of either alphabet, with or without padding, as proto JSON takes them. */
function readBase64(scan: JsonScan, field: string): Uint8Array {
  const text = readText(scan, field);
  const isGood = /^[A-Za-z0-9+/_-]*={0,2}$/.test(text) && text.replace(/=+$/, "").length % 4 !== 1;
  if (!isGood) throw failFields([{ field, description: "is not base64" }]);
  return Buffer.from(text, "base64");
}
