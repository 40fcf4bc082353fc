/** Whether the set-up of change data capture makes sense for a schema. */
import {
  type ChangeDataCapture,
  type Field,
  Field_Type,
  type Schema,
} from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "./errors.ts";
import { KEY_TYPES } from "./key-types.ts";

/** Types whose values grow in the same way here and in every destination. */
const ORDER_TYPES: ReadonlySet<Field_Type> = new Set([
  Field_Type.LONG,
  Field_Type.DECIMAL,
  Field_Type.DOUBLE,
  Field_Type.TIMESTAMP,
  Field_Type.DATE,
]);

/** Key fields of a stream: those it names, or the primary key of its changes. */
export function keyFieldsOf(
  schema: Schema | undefined,
  keyFields: readonly string[],
): readonly string[] {
  return keyFields.length > 0 ? keyFields : (schema?.changeDataCapture?.primaryKey ?? []);
}

/**
 * Faults of `schema.changeDataCapture`, by paths that begin with `prefix`. The key fields must be the
 * primary key: else changes of one row could reach two partitions, and nothing would order them.
 */
export function checkChangeDataCapture(
  schema: Schema,
  keyFields: readonly string[],
  prefix: string,
): FieldViolation[] {
  const capture = schema.changeDataCapture;
  if (!capture) return [];
  const path = `${prefix}.schema.change_data_capture`;
  const fields = new Map(schema.fields.map((field) => [field.name, field]));
  const violations = [...checkPrimaryKey(capture, fields), ...checkOthers(capture, fields)].map(
    ({ field, description }) => ({ field: `${path}.${field}`, description }),
  );
  if (keyFields.length > 0 && !isSameSet(keyFields, capture.primaryKey)) {
    const description = `must be the primary key of change_data_capture (${capture.primaryKey.join(", ")}), or empty`;
    violations.push({ field: `${prefix}.key_fields`, description });
  }
  return violations;
}

/** Whether two lists hold the same names, in any order. */
export function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join("\n") === [...b].sort().join("\n");
}

type Fields = ReadonlyMap<string, Field>;

function checkPrimaryKey({ primaryKey }: ChangeDataCapture, fields: Fields): FieldViolation[] {
  if (primaryKey.length === 0) {
    return [{ field: "primary_key", description: "name the fields that tell rows apart" }];
  }
  return primaryKey.flatMap((name, i) => {
    const field = fields.get(name);
    const at = `primary_key[${i}]`;
    if (!field) return [{ field: at, description: noField(name) }];
    if (primaryKey.indexOf(name) !== i) return [{ field: at, description: "stands twice" }];
    if (KEY_TYPES.has(field.type) && !field.nullable) return [];
    const description = `"${name}" must be of a type that can be a key, and may not be null`;
    return [{ field: at, description }];
  });
}

function checkOthers(capture: ChangeDataCapture, fields: Fields): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const { orderField, deleteField, primaryKey } = capture;
  const order = fields.get(orderField);
  const add = (field: string, description: string) => violations.push({ field, description });
  if (!order) add("order_field", noField(orderField));
  else if (!ORDER_TYPES.has(order.type) || order.nullable) {
    const types = [...ORDER_TYPES].map((type) => Field_Type[type]).join(", ");
    add("order_field", `"${orderField}" must be one of ${types}, and may not be null`);
  }
  const deletion = fields.get(deleteField);
  if (deleteField !== "" && !deletion) add("delete_field", noField(deleteField));
  else if (deletion && deletion.type !== Field_Type.BOOLEAN) {
    add("delete_field", `"${deleteField}" must be a BOOLEAN`);
  }
  for (const [field, name] of [
    ["order_field", orderField],
    ["delete_field", deleteField],
  ] as const) {
    if (primaryKey.includes(name)) add(field, `"${name}" is part of the primary key`);
  }
  return violations;
}

function noField(name: string): string {
  return `the schema has no field "${name.slice(0, 100)}" at its top level`;
}
