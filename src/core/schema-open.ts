/** The check of records that may hold anything: a JSON object whose key fields are as they must be. */
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { checkName, decodeString } from "./json-names.ts";
import { expectByte, faultHere, peekSpaced, scanString, scanValue } from "./json-scan.ts";
import { compileField, type RecordCheck } from "./schema-check.ts";
import {
  checkNullable,
  mismatch,
  type NullableCheck,
  prefixFaults,
  type RecordScan,
  report,
} from "./schema-scan.ts";

interface KeyField extends NullableCheck {
  readonly name: string;
  readonly slot: number;
}

/** Compiles the check; faults and spans of the key as `compileSchema` leaves them. */
export function compileOpenCheck(schema: Schema, keyFields: readonly string[]): RecordCheck {
  const keys = new Map<string, KeyField>();
  for (const field of schema.fields) {
    const slot = keyFields.indexOf(field.name);
    if (slot >= 0) keys.set(field.name, { ...compileField(field), name: field.name, slot });
  }
  return (s) => {
    const byte = peekSpaced(s);
    if (byte === 0x7b) checkObject(s, keys);
    else if (byte === -1) throw faultHere(s, "a record");
    else if (byte === 0x6e) {
      scanValue(s, 1);
      report(s, "is null, a record is a JSON object");
    } else mismatch(s, { byte, depth: 1 }, "a JSON object");
  };
}

function checkObject(s: RecordScan, keys: ReadonlyMap<string, KeyField>): void {
  const missing = new Set(keys.keys());
  s.at++;
  if (peekSpaced(s) === 0x7d) s.at++;
  else {
    for (let count = 0; ; count++) {
      if (peekSpaced(s) !== 0x22) throw faultHere(s, "a name in quotes");
      const start = s.at;
      const hasEscapes = scanString(s);
      checkName(s, { start, depth: 1, count, hasEscapes });
      const key = keys.size > 0 ? keys.get(decodeString(s.bytes, start, s.at)) : undefined;
      expectByte(s, 0x3a, 'a ":"');
      if (key) {
        missing.delete(key.name);
        checkKey(s, key);
      } else {
        peekSpaced(s);
        scanValue(s, 2);
      }
      const byte = peekSpaced(s);
      if (byte !== 0x2c && byte !== 0x7d) throw faultHere(s, 'a "," or "}"');
      s.at++;
      if (byte === 0x7d) break;
    }
  }
  for (const name of missing) {
    const before = s.faults.length;
    report(s, "is missing, and the key needs it");
    prefixFaults(s, before, name);
  }
}

function checkKey(s: RecordScan, key: KeyField): void {
  const before = s.faults.length;
  peekSpaced(s);
  const start = s.at;
  checkNullable(s, key, 2);
  s.keySpans[key.slot * 2] = start;
  s.keySpans[key.slot * 2 + 1] = s.at;
  if (s.faults.length !== before) prefixFaults(s, before, key.name);
}
