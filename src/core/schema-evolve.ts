/** What a schema must become so that a record fits that does not: nothing is narrowed, nothing removed. */
import { clone, create } from "@bufbuild/protobuf";
import {
  type Field,
  Field_Type,
  FieldSchema,
  type Schema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { compileSchema } from "./schema-check.ts";
import { FIELD_NAME_PATTERN } from "./schema-definition.ts";
import { inferField, NumberText, widenType } from "./schema-infer.ts";
import { recordScan } from "./schema-scan.ts";

/** One difference, for people. */
export interface SchemaChange {
  /** Such as `site.id`; items of arrays are `[]`. */
  readonly path: string;
  /** Type before, such as `LONG`, with `?` when it may be null or missing; empty for a new field. */
  readonly before: string;
  /** Type after. */
  readonly after: string;
}

/** A schema that a record fits, and how it differs. */
export interface EvolvedSchema {
  readonly schema: Schema;
  readonly changes: readonly SchemaChange[];
  /** Fields of the record that no schema can have. */
  readonly unusablePaths: readonly string[];
}

interface Evolution {
  readonly changes: SchemaChange[];
  readonly unusablePaths: string[];
}

/** The schema for a parsed record, whose numbers are `NumberText`. */
export function evolveSchema(schema: Schema, record: object): EvolvedSchema {
  const evolution: Evolution = { changes: [], unusablePaths: [] };
  const evolved = clone(SchemaSchema, schema);
  evolved.fields = evolveFields(evolved.fields, record, { evolution, path: "" });
  return { schema: evolved, ...evolution };
}

interface At {
  readonly evolution: Evolution;
  readonly path: string;
}

function below({ evolution, path }: At, name: string): At {
  return { evolution, path: path === "" ? name : `${path}.${name}` };
}

function evolveFields(fields: readonly Field[], object: object, at: At): Field[] {
  const values = new Map<string, unknown>(Object.entries(object));
  const known = fields.map((field) => {
    const value = values.get(field.name);
    const place = below(at, field.name);
    if (value !== undefined) return evolveField(field, value, place);
    return field.nullable ? field : withNull(field, place);
  });
  const names = new Set(fields.map(({ name }) => name));
  const added = [...values].flatMap(([name, value]) => {
    if (names.has(name)) return [];
    const place = below(at, name);
    if (!FIELD_NAME_PATTERN.test(name) || Buffer.byteLength(name) > 128) {
      at.evolution.unusablePaths.push(place.path);
      return [];
    }
    const field = Object.assign(inferField(value), { name, nullable: true });
    note(place, undefined, field);
    return [field];
  });
  return [...known, ...added];
}

function evolveField(field: Field, value: unknown, at: At): Field {
  if (fits(field, value)) return field;
  if (value === null) return withNull(field, at);
  if (field.type === Field_Type.STRUCT && isObject(value)) {
    return Object.assign(clone(FieldSchema, field), {
      fields: evolveFields(field.fields, value, at),
    });
  }
  if (field.type === Field_Type.ARRAY && field.element && Array.isArray(value)) {
    const place = { ...at, path: `${at.path}[]` };
    const element = value.reduce<Field>(
      (one, item) => evolveField(one, item, place),
      field.element,
    );
    return Object.assign(clone(FieldSchema, field), { element });
  }
  const { name, nullable, description } = field;
  const type = widenType(field.type, inferField(value).type);
  const widened = create(FieldSchema, { name, nullable, description, type });
  note(at, field, widened);
  return widened;
}

function withNull(field: Field, at: At): Field {
  const nullable = Object.assign(clone(FieldSchema, field), { nullable: true });
  note(at, field, nullable);
  return nullable;
}

function note({ evolution, path }: At, before: Field | undefined, after: Field): void {
  evolution.changes.push({ path, before: before ? typeText(before) : "", after: typeText(after) });
}

/** Such as `ARRAY<STRUCT<id LONG, note STRING?>>?`. */
function typeText({ type, nullable, element, fields }: Field): string {
  const inside = element
    ? `<${typeText(element)}>`
    : fields.length > 0
      ? `<${fields.map((field) => `${field.name} ${typeText(field)}`).join(", ")}>`
      : "";
  return `${Field_Type[type]}${inside}${nullable ? "?" : ""}`;
}

function isObject(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof NumberText)
  );
}

/** Whether a value passes the check of a field. */
function fits(field: Field, value: unknown): boolean {
  const named = Object.assign(clone(FieldSchema, field), { name: "value" });
  const check = compileSchema(create(SchemaSchema, { fields: [named] }));
  const scan = recordScan(Buffer.from(`{"value":${jsonText(value)}}`));
  check(scan);
  return scan.faults.length === 0;
}

function jsonText(value: unknown): string {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([k, inner]) => `${JSON.stringify(k)}:${jsonText(inner)}`,
  );
  return `{${members.join(",")}}`;
}

/** Parses JSON so that numbers stay as they were written. */
export function parseKeepingNumbers(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value,
  );
}
