/** Types of fields in words, and schemas as one knows them from code. */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  FieldSchema,
  Field_Type as Type,
} from "#gen/tributary/management/v1/stream_pb.js";

/** The types that a field can have. */
export const TYPE_CHOICES: readonly (readonly [Type, string])[] = [
  [Type.STRING, "String"],
  [Type.LONG, "Long"],
  [Type.DOUBLE, "Double"],
  [Type.DECIMAL, "Decimal"],
  [Type.BOOLEAN, "Boolean"],
  [Type.TIMESTAMP, "Timestamp"],
  [Type.DATE, "Date"],
  [Type.BINARY, "Binary (base64)"],
  [Type.ARRAY, "Array"],
  [Type.MAP, "Map"],
  [Type.STRUCT, "Struct"],
  [Type.JSON, "Any JSON"],
];

const KEY_TYPES: ReadonlySet<Type> = new Set([
  Type.STRING,
  Type.LONG,
  Type.DECIMAL,
  Type.BOOLEAN,
  Type.TIMESTAMP,
  Type.DATE,
  Type.BINARY,
]);

/** Whether a field of this type can be part of the key. */
export function canBeKey(field: Field): boolean {
  return KEY_TYPES.has(field.type) && !field.nullable;
}

/** The type of a field, such as `Array of Struct`. */
export function typeName(field: Field): string {
  const name = TYPE_CHOICES.find(([type]) => type === field.type)?.[1] ?? "?";
  return field.element ? `${name} of ${typeName(field.element)}` : name;
}

/** A field of another type: what only the old type needs goes. */
export function withType(field: Field, type: Type): Field {
  const next = create(FieldSchema, { ...field, type, fields: [] });
  if (type === Type.ARRAY || type === Type.MAP) {
    next.element = field.element ?? create(FieldSchema, { type: Type.STRING });
  } else {
    delete next.element;
  }
  if (type === Type.STRUCT) {
    next.fields =
      field.fields.length > 0 ? field.fields : [create(FieldSchema, { type: Type.STRING })];
  }
  return next;
}

/** A record that fits the schema, to try it with. */
export function fittingRecord(fields: readonly Field[], now: Date): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field.name, fittingValue(field, now)]));
}

function fittingValue(field: Field, now: Date): unknown {
  switch (field.type) {
    case Type.LONG:
      return 42;
    case Type.DOUBLE:
    case Type.DECIMAL:
      return 21.5;
    case Type.BOOLEAN:
      return true;
    case Type.TIMESTAMP:
      return now.toISOString();
    case Type.DATE:
      return now.toISOString().slice(0, 10);
    case Type.BINARY:
      return "aGVsbG8=";
    case Type.ARRAY:
      return field.element ? [fittingValue(field.element, now)] : [];
    case Type.MAP:
      return field.element ? { key: fittingValue(field.element, now) } : {};
    case Type.STRUCT:
      return fittingRecord(field.fields, now);
    case Type.JSON:
      return { any: "value" };
    default:
      return field.name ? `${field.name}-1` : "text";
  }
}
