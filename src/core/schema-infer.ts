/**
 * A schema from samples (S13, F08): the narrowest in which every sample fits. What differs between
 * samples is widened, what is missing in some is nullable, and what has no common type is JSON.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  Field_Type,
  FieldSchema,
  type Schema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal } from "./decimal.ts";
import { longText } from "./json-number.ts";
import { FIELD_NAME_PATTERN } from "./schema-definition.ts";
import { readDate, readTimestamp } from "./schema-time.ts";

/** A number as it was written. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What was inferred, with what cannot be a field. */
export interface InferredSchema {
  readonly schema: Schema;
  /** Names of the samples' own fields that no schema can have, such as `unit name`. */
  readonly unusableNames: readonly string[];
}

const LEVELS_MAX = 15;
const FIELDS_MAX = 900;
const NAME_BYTES_MAX = 128;
/** Objects with more names than this are taken for maps of names that differ from record to record. */
const STRUCT_FIELDS_MAX = 200;

/** What is known of the values at one place. */
type Shape =
  | { readonly kind: "null" }
  | { readonly kind: "scalar"; readonly type: Field_Type; readonly isNullable: boolean }
  | { readonly kind: "array"; readonly item: Shape | undefined; readonly isNullable: boolean }
  | { readonly kind: "object"; readonly object: ObjectShape; readonly isNullable: boolean };

interface ObjectShape {
  /** How many objects were seen. */
  readonly seen: number;
  readonly fields: ReadonlyMap<string, { readonly shape: Shape; readonly seen: number }>;
}

/** Infers from parsed records, at least one; numbers are `NumberText`. */
export function inferSchema(records: readonly object[]): InferredSchema {
  const shape = records.map(objectShape).reduce(mergeObjects);
  const names = [...shape.fields.keys()];
  const isUsable = (name: string) =>
    FIELD_NAME_PATTERN.test(name) && Buffer.byteLength(name) <= NAME_BYTES_MAX;
  const budget = { left: FIELDS_MAX };
  const fields = fieldsOf(shape, budget, 1).filter(({ name }) => isUsable(name));
  return {
    schema: create(SchemaSchema, { fields }),
    unusableNames: names.filter((name) => !isUsable(name)),
  };
}

/** The field for one value, without a name. */
export function inferField(value: unknown): Field {
  return fieldOf(shapeOf(value), { left: FIELDS_MAX }, 1);
}

function shapeOf(value: unknown): Shape {
  if (value === null) return { kind: "null" };
  if (Array.isArray(value)) {
    const items = value.map(shapeOf);
    const item = items.length > 0 ? items.reduce(merge) : undefined;
    return { kind: "array", item, isNullable: false };
  }
  if (value instanceof NumberText) return scalar(numberType(value.text));
  if (typeof value === "object") {
    return { kind: "object", object: objectShape(value), isNullable: false };
  }
  return scalar(typeof value === "string" ? stringType(value) : Field_Type.BOOLEAN);
}

function objectShape(value: object): ObjectShape {
  const fields = Object.entries(value).map(
    ([name, inner]) => [name, { shape: shapeOf(inner), seen: 1 }] as const,
  );
  return { seen: 1, fields: new Map(fields) };
}

function scalar(type: Field_Type, isNullable = false): Shape {
  return { kind: "scalar", type, isNullable };
}

function numberType(text: string): Field_Type {
  if (/^-?\d+$/.test(text)) {
    return typeof longText(text) === "object" ? Field_Type.LONG : Field_Type.DECIMAL;
  }
  // What a double would give back otherwise than it was written was no double.
  const value = Number(text);
  const isDouble =
    Number.isFinite(value) &&
    canonicalDecimal(String(value).replace("e+", "e")) === canonicalDecimal(text);
  return isDouble ? Field_Type.DOUBLE : Field_Type.DECIMAL;
}

function stringType(value: string): Field_Type {
  if (value.length < 10 || value.length > 40) return Field_Type.STRING;
  const bytes = Buffer.from(value);
  if (typeof readTimestamp(bytes, 0, bytes.length) !== "string") return Field_Type.TIMESTAMP;
  const isDate = value.length === 10 && typeof readDate(bytes, 0, bytes.length) === "number";
  return isDate ? Field_Type.DATE : Field_Type.STRING;
}

function merge(a: Shape, b: Shape): Shape {
  if (a.kind === "null") return withNull(b);
  if (b.kind === "null") return withNull(a);
  const isNullable = a.isNullable || b.isNullable;
  if (a.kind === "scalar" && b.kind === "scalar")
    return scalar(widenType(a.type, b.type), isNullable);
  if (a.kind === "array" && b.kind === "array") {
    const item = a.item && b.item ? merge(a.item, b.item) : (a.item ?? b.item);
    return { kind: "array", item, isNullable };
  }
  if (a.kind === "object" && b.kind === "object") {
    return { kind: "object", object: mergeObjects(a.object, b.object), isNullable };
  }
  return scalar(Field_Type.JSON, isNullable);
}

function withNull(shape: Shape): Shape {
  return shape.kind === "null" ? shape : { ...shape, isNullable: true };
}

const NUMBERS: readonly Field_Type[] = [Field_Type.LONG, Field_Type.DOUBLE, Field_Type.DECIMAL];
const TEXTS: readonly Field_Type[] = [Field_Type.STRING, Field_Type.TIMESTAMP, Field_Type.DATE];

/** The narrowest type that takes the values of both; JSON when there is no other. */
export function widenType(a: Field_Type, b: Field_Type): Field_Type {
  if (a === b) return a;
  if (NUMBERS.includes(a) && NUMBERS.includes(b)) {
    // A double holds whole numbers of 53 bits only, but takes longer ones as the nearest.
    const isDecimal = a === Field_Type.DECIMAL || b === Field_Type.DECIMAL;
    return isDecimal ? Field_Type.DECIMAL : Field_Type.DOUBLE;
  }
  return TEXTS.includes(a) && TEXTS.includes(b) ? Field_Type.STRING : Field_Type.JSON;
}

function mergeObjects(a: ObjectShape, b: ObjectShape): ObjectShape {
  const fields = new Map(a.fields);
  for (const [name, { shape, seen }] of b.fields) {
    const known = fields.get(name);
    fields.set(
      name,
      known ? { shape: merge(known.shape, shape), seen: known.seen + seen } : { shape, seen },
    );
  }
  return { seen: a.seen + b.seen, fields };
}

function fieldsOf(object: ObjectShape, budget: { left: number }, level: number): Field[] {
  return [...object.fields].map(([name, { shape, seen }]) => {
    budget.left -= 1;
    const field = fieldOf(shape, budget, level);
    field.name = name;
    field.nullable ||= seen < object.seen;
    return field;
  });
}

function fieldOf(shape: Shape, budget: { left: number }, level: number): Field {
  if (shape.kind === "null") return create(FieldSchema, { type: Field_Type.JSON, nullable: true });
  const nullable = shape.isNullable;
  if (shape.kind === "scalar") return create(FieldSchema, { type: shape.type, nullable });
  if (level >= LEVELS_MAX) return create(FieldSchema, { type: Field_Type.JSON, nullable });
  if (shape.kind === "array") {
    const element = fieldOf(shape.item ?? { kind: "null" }, budget, level + 1);
    return create(FieldSchema, { type: Field_Type.ARRAY, nullable, element });
  }
  const names = [...shape.object.fields.keys()];
  const isStruct =
    names.length > 0 &&
    names.length <= Math.min(STRUCT_FIELDS_MAX, budget.left) &&
    names.every((name) => FIELD_NAME_PATTERN.test(name) && name.length <= NAME_BYTES_MAX);
  if (!isStruct) return create(FieldSchema, { type: Field_Type.JSON, nullable });
  const fields = fieldsOf(shape.object, budget, level + 1);
  return create(FieldSchema, { type: Field_Type.STRUCT, nullable, fields });
}
