/** Records that come as `{"value":{…},"id":"…"}`, as some producers send them. */
import { JsonFault } from "../core/json-fault.ts";
import { decodeString } from "../core/json-names.ts";
import { expectByte, faultHere, peekSpaced, scanString, scanValue } from "../core/json-scan.ts";
import { readName, readText } from "./push-record.ts";
import { countOf, type RecordCollector, takeRecord } from "./record-set.ts";

/** Whether the object at the scan's place is `{"value":…}` or `{"id":…,"value":…}`. */
export function isWrapped({ scan }: RecordCollector): boolean {
  if (scan.bytes[scan.at] !== 0x7b) return false;
  const probe = { bytes: scan.bytes, at: scan.at + 1, end: scan.end };
  const nameHere = () => {
    if (peekSpaced(probe) !== 0x22) return undefined;
    const start = probe.at;
    // Names that are as long as `value` or `id` are read, no others.
    const close = probe.bytes.indexOf(0x22, start + 1);
    if (close < 0 || close - start > 6) return undefined;
    scanString(probe);
    return decodeString(probe.bytes, start, probe.at);
  };
  const first = nameHere();
  if (first !== "id") return first === "value";
  expectByte(probe, 0x3a, 'a ":"');
  if (peekSpaced(probe) !== 0x22) return false;
  scanValue(probe, 2);
  if (peekSpaced(probe) !== 0x2c) return false;
  probe.at++;
  return nameHere() === "value";
}

/** Reads `{"value":{…},"id":"…"}` and returns the id. */
export function readWrapped(collector: RecordCollector): string | undefined {
  const { scan } = collector;
  const seen = new Set<string>();
  let id: string | undefined;
  scan.at++;
  for (;;) {
    const start = scan.at;
    const name = readName(scan, seen);
    if (name === "value") takeRecord(collector);
    else if (name === "id") id = readText(scan, `records[${countOf(collector)}].id`);
    else throw new JsonFault(start, "beside value and id a wrapped record has no members");
    const byte = peekSpaced(scan);
    if (byte !== 0x2c && byte !== 0x7d) throw faultHere(scan, 'a "," or "}"');
    scan.at++;
    if (byte === 0x7d) break;
  }
  if (!seen.has("value")) throw faultHere(scan, "a member value");
  return id;
}
