/** The rules of FEED_UPDATES that fields alone cannot say: G05, G22. */
import { decodeString } from "./json-names.ts";
import { peekSpaced, scanString, scanValue } from "./json-scan.ts";
import type { RecordCheck } from "./schema-check.ts";
import { prefixFaults, type RecordScan, report } from "./schema-scan.ts";

const NULL = "null";
const EMPTY = '""';

/**
 * A check that also asks: `type` only where `feed` is empty and then always, `generic` only beside
 * `type`, and each item of `deleted_foreign_ids` a pair of a foreign id and a time.
 */
export function withFeedRules(check: RecordCheck): RecordCheck {
  return (s) => {
    const before = s.faults.length;
    peekSpaced(s);
    const start = s.at;
    check(s);
    if (s.faults.length === before) checkRules(s, start);
  };
}

function checkRules(s: RecordScan, start: number): void {
  const members = readMembers(s, start);
  const isSet = (name: string) => (members.get(name) ?? NULL) !== NULL;
  const isAppLevel = members.get("feed") === EMPTY;
  if (isSet("type") && !isAppLevel) refuse(s, "type", "stands only where feed is empty");
  if (isAppLevel && !isSet("type")) refuse(s, "type", "is needed where feed is empty");
  if (isSet("generic") && !isSet("type")) refuse(s, "generic", "stands only beside type");
  const pairs = JSON.parse(members.get("deleted_foreign_ids") ?? "[]") as unknown[];
  pairs.forEach((pair, i) => {
    const isPair =
      Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string");
    if (!isPair) refuse(s, `deleted_foreign_ids[${i}]`, "is not a pair of a foreign id and a time");
  });
}

function refuse(s: RecordScan, path: string, description: string): void {
  const before = s.faults.length;
  report(s, description);
  if (s.faults.length !== before) prefixFaults(s, before, path);
}

/** The JSON texts of the members of the object that begins at `start`; the scan stays where it is. */
function readMembers(s: RecordScan, start: number): Map<string, string> {
  const members = new Map<string, string>();
  const { at: end } = s;
  s.at = start + 1;
  while (peekSpaced(s) === 0x22) {
    const nameStart = s.at;
    scanString(s);
    const name = decodeString(s.bytes, nameStart, s.at);
    peekSpaced(s);
    s.at += 1;
    peekSpaced(s);
    const valueStart = s.at;
    scanValue(s, 2);
    const { buffer, byteOffset } = s.bytes;
    members.set(name, Buffer.from(buffer, byteOffset + valueStart, s.at - valueStart).toString());
    if (peekSpaced(s) !== 0x2c) break;
    s.at += 1;
  }
  s.at = end;
  return members;
}
