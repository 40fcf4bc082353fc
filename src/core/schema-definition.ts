/** Whether a schema and its keys make sense, all faults at once. */
import { type Field, Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { checkChangeDataCapture } from "./change-data-capture.ts";
import type { FieldViolation } from "./errors.ts";
import { KEY_TYPES } from "./key-types.ts";

/** Rule of every field name in a schema. */
export const FIELD_NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_-]*$/;

const NAME_LENGTH_MAX = 128;
const DEPTH_MAX = 20;
const FIELDS_MAX = 1000;
const KEY_FIELDS_MAX = 8;
const VIOLATIONS_MAX = 100;

/**
 * Faults of a schema (1 to 1,000 fields counted at every level, depth at most 20) and of the key
 * fields on it (at most 8). Paths begin with `prefix`: `stream.schema.fields[2].name`,
 * `stream.key_fields[0]`. At most 100 faults; empty when there is none.
 */
export function checkSchemaDefinition(
  schema: Schema | undefined,
  keyFields: readonly string[],
  prefix = "stream",
): FieldViolation[] {
  const check: Check = { violations: [], fields: 0 };
  const path = `${prefix}.schema.fields`;
  if (!schema || schema.fields.length === 0) {
    add(check, path, "a schema needs at least one field");
  } else {
    checkFields(check, schema.fields, { path, depth: 1 });
    if (check.fields > FIELDS_MAX) {
      add(check, path, `a schema may have ${FIELDS_MAX} fields in all, nested ones included`);
    }
  }
  checkKeys(check, keyFields, { fields: schema?.fields ?? [], path: `${prefix}.key_fields` });
  if (schema) check.violations.push(...checkChangeDataCapture(schema, keyFields, prefix));
  return check.violations;
}

interface Check {
  readonly violations: FieldViolation[];
  fields: number;
}

interface Level {
  readonly path: string;
  readonly depth: number;
}

function add(check: Check, field: string, description: string): void {
  if (check.violations.length < VIOLATIONS_MAX) check.violations.push({ field, description });
}

function checkFields(check: Check, fields: readonly Field[], level: Level): void {
  const names = new Set<string>();
  fields.forEach((field, i) => {
    const path = `${level.path}[${i}]`;
    checkName(check, field.name, `${path}.name`);
    if (names.has(field.name)) {
      add(check, `${path}.name`, `"${field.name}" stands twice here: names must differ`);
    }
    names.add(field.name);
    checkField(check, field, { path, depth: level.depth });
  });
}

function checkName(check: Check, name: string, path: string): void {
  if (name === "") add(check, path, "a field needs a name");
  else if (name.length > NAME_LENGTH_MAX) {
    add(check, path, `a name may have ${NAME_LENGTH_MAX} bytes, this one has ${name.length}`);
  } else if (!FIELD_NAME_PATTERN.test(name)) {
    add(check, path, "a name is a letter or underscore, then letters, digits, _ and -");
  }
}

function checkField(check: Check, field: Field, level: Level): void {
  check.fields++;
  if (check.fields > FIELDS_MAX) return;
  const { path, depth } = level;
  if (depth > DEPTH_MAX) {
    add(check, path, `a schema may be ${DEPTH_MAX} levels deep`);
    return;
  }
  const { type } = field;
  if (Field_Type[type] === undefined || type === Field_Type.TYPE_UNSPECIFIED) {
    add(check, `${path}.type`, "choose a type, such as STRING or LONG");
  }
  checkElement(check, field, level);
  if (type === Field_Type.STRUCT) {
    if (field.fields.length === 0) {
      add(check, `${path}.fields`, "a STRUCT needs at least one field; use JSON for any value");
    }
    checkFields(check, field.fields, { path: `${path}.fields`, depth: depth + 1 });
  } else if (field.fields.length > 0) {
    add(check, `${path}.fields`, "only a STRUCT has fields");
  }
}

function checkElement(check: Check, field: Field, { path, depth }: Level): void {
  const { element, type } = field;
  if (type === Field_Type.ARRAY || type === Field_Type.MAP) {
    if (!element) {
      add(check, `${path}.element`, `an ${Field_Type[type]} needs the type of its element`);
      return;
    }
    if (element.name !== "") add(check, `${path}.element.name`, "an element has no name");
    checkField(check, element, { path: `${path}.element`, depth: depth + 1 });
  } else if (element) {
    add(check, `${path}.element`, "only an ARRAY or MAP has an element");
  }
}

function checkKeys(
  check: Check,
  keyFields: readonly string[],
  where: { readonly fields: readonly Field[]; readonly path: string },
): void {
  const { fields, path } = where;
  if (keyFields.length > KEY_FIELDS_MAX) {
    add(check, path, `a key may have ${KEY_FIELDS_MAX} fields, this one has ${keyFields.length}`);
  }
  keyFields.forEach((name, i) => {
    const field = fields.find((f) => f.name === name);
    const at = `${path}[${i}]`;
    if (keyFields.indexOf(name) !== i) add(check, at, `"${shorten(name)}" stands twice in the key`);
    if (!field) {
      add(check, at, `the schema has no field "${shorten(name)}" at its top level`);
      return;
    }
    if (field.nullable) {
      add(check, at, `"${name}" may be null, a key field may not: set nullable to false`);
    }
    if (!KEY_TYPES.has(field.type)) {
      add(check, at, `"${name}" is ${Field_Type[field.type]}, which cannot be a key`);
    }
  });
}

function shorten(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
