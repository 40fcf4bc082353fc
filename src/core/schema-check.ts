/**
 * A schema compiled to closures that walk the bytes of a record once: names are compared in place,
 * in the order that the last record had them, and values are judged where they stand.
 */
import { type Field, Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { echo } from "./json-fault.ts";
import { checkName, decodeString } from "./json-names.ts";
import {
  checkDepth,
  expectByte,
  faultHere,
  peekSpaced,
  scanString,
  scanValue,
} from "./json-scan.ts";
import { LEAF_CHECKS } from "./schema-leaves.ts";
import {
  checkNullable,
  FAULTS_MAX,
  mismatch,
  type NullableCheck,
  prefixFaults,
  type RecordScan,
  report,
  type ValueCheck,
} from "./schema-scan.ts";

/**
 * Checks the record at the scan's place (white space may stand before) and passes it; faults are
 * added to the scan, key fields leave their spans there. Throws JsonFault for what is no JSON.
 */
export type RecordCheck = (s: RecordScan) => void;

/** Compiles a schema, which `checkSchemaDefinition` must have found sound. */
export function compileSchema(schema: Schema, keyFields: readonly string[] = []): RecordCheck {
  const check = structCheck(schema.fields, keyFields);
  return (s) => {
    const byte = peekSpaced(s);
    if (byte === 0x7b) check(s, byte, 1);
    else if (byte === -1) throw faultHere(s, "a record");
    else if (byte === 0x6e) {
      scanValue(s, 1);
      report(s, "is null, a record is a JSON object");
    } else mismatch(s, { byte, depth: 1 }, "a JSON object");
  };
}

/** The check of one field's value. */
export function compileField(field: Field): NullableCheck {
  return { check: valueCheck(field), isNullable: field.nullable };
}

function valueCheck(field: Field): ValueCheck {
  if (field.type === Field_Type.STRUCT) return structCheck(field.fields, []);
  if (field.type === Field_Type.ARRAY && field.element) return arrayCheck(field.element);
  if (field.type === Field_Type.MAP && field.element) return mapCheck(field.element);
  const leaf = LEAF_CHECKS.get(field.type);
  if (!leaf) throw new TypeError(`no check for a field of type ${field.type}`);
  return leaf;
}

function arrayCheck(elementField: Field): ValueCheck {
  const element = compileField(elementField);
  return (s, first, depth) => {
    if (first !== 0x5b) {
      mismatch(s, { byte: first, depth }, "an array (ARRAY)");
      return;
    }
    checkDepth(s, depth);
    s.at++;
    if (peekSpaced(s) === 0x5d) {
      s.at++;
      return;
    }
    for (let index = 0; ; index++) {
      const before = s.faults.length;
      checkNullable(s, element, depth + 1);
      if (s.faults.length !== before) prefixFaults(s, before, `[${index}]`);
      const byte = peekSpaced(s);
      if (byte !== 0x2c && byte !== 0x5d) throw faultHere(s, 'a "," or "]"');
      s.at++;
      if (byte === 0x5d) return;
    }
  };
}

function mapCheck(elementField: Field): ValueCheck {
  const element = compileField(elementField);
  return (s, first, depth) => {
    if (first !== 0x7b) {
      mismatch(s, { byte: first, depth }, "an object (MAP)");
      return;
    }
    checkDepth(s, depth);
    s.at++;
    if (peekSpaced(s) === 0x7d) {
      s.at++;
      return;
    }
    for (let count = 0; ; count++) {
      if (peekSpaced(s) !== 0x22) throw faultHere(s, "a name in quotes");
      const start = s.at;
      const hasEscapes = scanString(s);
      const end = s.at;
      checkName(s, { start, depth, count, hasEscapes });
      expectByte(s, 0x3a, 'a ":"');
      const before = s.faults.length;
      checkNullable(s, element, depth + 1);
      if (s.faults.length !== before) prefixFaults(s, before, `[${echo(s.bytes, start, end)}]`);
      const byte = peekSpaced(s);
      if (byte !== 0x2c && byte !== 0x7d) throw faultHere(s, 'a "," or "}"');
      s.at++;
      if (byte === 0x7d) return;
    }
  };
}

/** A field of a STRUCT, ready to be looked for. */
interface StructField extends NullableCheck {
  readonly name: string;
  /** The name in quotes, as it stands in a record that writes it without escapes. */
  readonly quoted: Uint8Array;
  readonly position: number;
  /** Position in the key; -1 when it is none of it. */
  readonly keySlot: number;
  /** When the field was last seen, in terms of `Struct.stamp`. */
  seen: number;
}

interface Struct {
  readonly fields: readonly StructField[];
  readonly byName: ReadonlyMap<string, StructField>;
  /** Counts the objects checked: marks of earlier ones then need no clearing. */
  stamp: number;
}

function structCheck(fields: readonly Field[], keyFields: readonly string[]): ValueCheck {
  const compiled = fields.map((field, position) => ({
    ...compileField(field),
    name: field.name,
    quoted: Buffer.from(`"${field.name}"`),
    position,
    keySlot: keyFields.indexOf(field.name),
    seen: 0,
  }));
  const byName = new Map(compiled.map((field) => [field.name, field]));
  const struct: Struct = { fields: compiled, byName, stamp: 0 };
  return (s, byte, depth) => {
    if (byte !== 0x7b) mismatch(s, { byte, depth }, "an object (STRUCT)");
    else checkStruct(s, struct, depth);
  };
}

function checkStruct(s: RecordScan, struct: Struct, depth: number): void {
  checkDepth(s, depth);
  const stamp = ++struct.stamp;
  let found = 0;
  let next = 0;
  s.at++;
  if (peekSpaced(s) === 0x7d) s.at++;
  else {
    for (;;) {
      if (peekSpaced(s) !== 0x22) throw faultHere(s, "a name in quotes");
      const start = s.at;
      const field = passName(s, struct, next);
      const end = s.at;
      expectByte(s, 0x3a, 'a ":"');
      if (field && field.seen !== stamp) {
        field.seen = stamp;
        found++;
        next = field.position + 1;
        checkMember(s, field, depth);
      } else refuseMember(s, field ? "stands twice" : unknownText(struct), { start, end, depth });
      const byte = peekSpaced(s);
      if (byte !== 0x2c && byte !== 0x7d) throw faultHere(s, 'a "," or "}"');
      s.at++;
      if (byte === 0x7d) break;
    }
  }
  if (found !== struct.fields.length) reportMissing(s, struct);
}

function checkMember(s: RecordScan, field: StructField, depth: number): void {
  const before = s.faults.length;
  peekSpaced(s);
  const start = s.at;
  checkNullable(s, field, depth + 1);
  if (field.keySlot >= 0) {
    s.keySpans[field.keySlot * 2] = start;
    s.keySpans[field.keySlot * 2 + 1] = s.at;
  }
  if (s.faults.length !== before) prefixFaults(s, before, field.name);
}

/** Passes a name and finds its field: first the one behind the field before, then by look-up. */
function passName(s: RecordScan, struct: Struct, next: number): StructField | undefined {
  const expected = struct.fields[next];
  if (expected) {
    const { bytes, at } = s;
    const { quoted } = expected;
    const length = quoted.length;
    if (at + length <= s.end) {
      let i = 1;
      while (i < length && bytes[at + i] === quoted[i]) i++;
      if (i === length) {
        s.at = at + length;
        return expected;
      }
    }
  }
  const start = s.at;
  const name = scanString(s)
    ? decodeString(s.bytes, start, s.at)
    : Buffer.from(s.bytes.buffer, s.bytes.byteOffset + start + 1, s.at - start - 2).toString(
        "latin1",
      );
  return struct.byName.get(name);
}

interface Member {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

function refuseMember(s: RecordScan, description: string, member: Member): void {
  const before = s.faults.length;
  scanValue(s, member.depth + 1);
  report(s, description);
  prefixFaults(s, before, pathStep(s.bytes, member.start, member.end));
}

function unknownText(struct: Struct): string {
  const names = struct.fields
    .slice(0, 5)
    .map((f) => f.name)
    .join(", ");
  const more = struct.fields.length > 5 ? ", …" : "";
  return `is not in the schema (it has ${names}${more}): remove it or add it to the schema`;
}

/** An unknown name as a step of a path: as it is when it is plain, else in brackets. */
function pathStep(bytes: Uint8Array, start: number, end: number): string {
  const quoted = echo(bytes, start, end);
  return /^"[A-Za-z_][A-Za-z0-9_-]*"$/.test(quoted) ? quoted.slice(1, -1) : `[${quoted}]`;
}

function reportMissing(s: RecordScan, struct: Struct): void {
  for (const field of struct.fields) {
    if (field.isNullable || field.seen === struct.stamp) continue;
    if (s.faults.length >= FAULTS_MAX) return;
    const before = s.faults.length;
    report(s, "is missing, and the schema needs it");
    prefixFaults(s, before, field.name);
  }
}
