/** What a stream asks of its records, compiled once for each definition. */
import { create } from "@bufbuild/protobuf";
import {
  type Schema,
  Schema_Preset,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { fail } from "./errors.ts";
import { withFeedRules } from "./feed-updates.ts";
import { failJson, JsonFault, requireUtf8 } from "./json-fault.ts";
import { decodeString } from "./json-names.ts";
import { expectByte, faultHere, peekSpaced, scanString, scanValue } from "./json-scan.ts";
import { type KeyShape, keyShape, scannedKeyHash, scannedKeyText } from "./record-key.ts";
import { compileSchema, type RecordCheck } from "./schema-check.ts";
import { compileOpenCheck } from "./schema-open.ts";
import { type RecordScan, recordScan } from "./schema-scan.ts";

/** What a stream does with records that do not fit its schema: refuses, takes and tells, or asks nothing. */
export type SchemaMode = "strict" | "evolve" | "open";

/** A definition, or an earlier version of one: what rules are made from. */
export interface RuleSource {
  readonly schema: Schema;
  readonly keyFields: readonly string[];
  /** What happens to records that do not fit: `strict` when left out. */
  readonly schemaMode?: SchemaMode;
}

/** The compiled form. */
export interface RecordRules {
  readonly check: RecordCheck;
  /** What a record must pass at least that fails `check`; undefined: it is refused. */
  readonly fallback: RecordCheck | undefined;
  readonly key: KeyShape | undefined;
}

const compiled = new WeakMap<RuleSource, RecordRules>();

/** The rules of a definition, which is immutable: the same object gives the same rules. */
export function rulesOf(source: RuleSource): RecordRules {
  const known = compiled.get(source);
  if (known) return known;
  const { schema, keyFields } = source;
  const openCheck = () => compileOpenCheck(schema, keyFields);
  const rules: RecordRules = {
    check: source.schemaMode === "open" ? openCheck() : fullCheck(source),
    fallback: source.schemaMode === "evolve" ? openCheck() : undefined,
    key: keyShape(schema, keyFields),
  };
  compiled.set(source, rules);
  return rules;
}

function fullCheck({ schema, keyFields }: RuleSource): RecordCheck {
  const check = compileSchema(schema, keyFields);
  return schema.preset === Schema_Preset.FEED_UPDATES ? withFeedRules(check) : check;
}

/** A key, canonical: equal texts mean one key, and `hash` is its murmur2, unsigned. */
export interface CanonicalKey {
  readonly text: string;
  readonly hash: number;
}

/**
 * The key of a stored record under the definition that it was stored with; undefined for a stream
 * without keys. Looks at the key fields only. Fails with INVALID_JSON or RECORD_INVALID when the
 * record has no such key, which a stored record always has.
 */
export function canonicalKeyOf(record: Uint8Array, source: RuleSource): CanonicalKey | undefined {
  const { key } = rulesOf(source);
  if (!key) return undefined;
  const s = recordScan(record);
  try {
    const found = findKeyFields(s, key);
    if (found !== key.names.length) {
      throw fail("RECORD_INVALID", `the record lacks a key field (${key.names.join(", ")})`);
    }
    return scannedKey(s, key);
  } catch (error) {
    throw error instanceof JsonFault ? failJson(error, record) : error;
  }
}

/**
 * The key that a caller names as a JSON object of exactly the key fields, such as
 * `{"sensor_id":"bar4"}`. Fails with INVALID_JSON, or with RECORD_INVALID and every fault.
 */
export function canonicalKeyFrom(json: string, source: RuleSource): CanonicalKey {
  const { key } = rulesOf(source);
  if (!key) throw fail("RECORD_INVALID", "the stream has no key fields, so no record has a key");
  const bytes = Buffer.from(json, "utf8");
  const s = recordScan(bytes);
  try {
    requireUtf8(bytes);
    keyCheckOf(source)(s);
    if (peekSpaced(s) !== -1) throw faultHere(s, "the end of the key");
    const violations = s.faults.map((f) => ({
      field: `key.${f.path}`,
      description: f.description,
    }));
    if (violations[0]) {
      const text = `${violations[0].field} ${violations[0].description}`;
      throw fail("RECORD_INVALID", text, { violations });
    }
    return scannedKey(s, key);
  } catch (error) {
    throw error instanceof JsonFault ? failJson(error, bytes) : error;
  }
}

function scannedKey(s: RecordScan, key: KeyShape): CanonicalKey {
  const hash = scannedKeyHash(s, key);
  if (typeof hash === "string") throw fail("RECORD_INVALID", `${hash} is too long for a key`);
  return { text: scannedKeyText(s, key), hash: hash >>> 0 };
}

const keyChecks = new WeakMap<RuleSource, RecordCheck>();

function keyCheckOf(source: RuleSource): RecordCheck {
  const known = keyChecks.get(source);
  if (known) return known;
  const fields = source.schema.fields.filter((field) => source.keyFields.includes(field.name));
  const check = compileSchema(create(SchemaSchema, { fields }), source.keyFields);
  keyChecks.set(source, check);
  return check;
}

/** Leaves the spans of the key fields in the scan, and returns how many there are. */
function findKeyFields(s: RecordScan, key: KeyShape): number {
  expectByte(s, 0x7b, "a JSON object");
  let found = 0;
  for (;;) {
    if (peekSpaced(s) !== 0x22) return found;
    const start = s.at;
    scanString(s);
    const slot = key.names.indexOf(decodeString(s.bytes, start, s.at));
    expectByte(s, 0x3a, 'a ":"');
    peekSpaced(s);
    const value = s.at;
    scanValue(s, 2);
    if (slot >= 0) {
      s.keySpans[slot * 2] = value;
      s.keySpans[slot * 2 + 1] = s.at;
      found++;
      if (found === key.names.length) return found;
    }
    if (peekSpaced(s) !== 0x2c) return found;
    s.at++;
  }
}
