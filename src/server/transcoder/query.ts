/** Query parameters to request fields: nested by dots, repeated, enums by name, times, field masks. */
import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, failFields } from "../../core/errors.ts";

/** Messages whose JSON form is a string. */
const TEXT_MESSAGES = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
  "google.protobuf.StringValue",
  "google.protobuf.Int64Value",
  "google.protobuf.Int32Value",
]);

type JsonTree = { [name: string]: JsonValue };

/**
 * The parameters as the JSON form of the request. `bound` are field paths that path or body set.
 * Fails with INVALID_FIELDS, which names every parameter that is unknown, repeated or misplaced.
 */
export function queryToJson(
  schema: DescMessage,
  query: URLSearchParams,
  bound: ReadonlySet<string>,
): JsonTree {
  const tree: JsonTree = {};
  const violations: FieldViolation[] = [];
  for (const name of new Set(query.keys())) {
    const fault = place(tree, schema, { name, values: query.getAll(name), bound });
    if (fault) violations.push({ field: name, description: fault });
  }
  if (violations.length > 0) throw failFields(violations);
  return tree;
}

function place(
  tree: JsonTree,
  schema: DescMessage,
  parameter: { name: string; values: string[]; bound: ReadonlySet<string> },
): string | undefined {
  const fields = resolvePath(schema, parameter.name);
  const leaf = fields?.at(-1);
  if (!fields || !leaf) return "is not a query parameter of this method";
  const path = fields.map((field) => field.name);
  if (path.some((_, i) => parameter.bound.has(path.slice(0, i + 1).join(".")))) {
    return "is set by the path or the body";
  }
  if (leaf.fieldKind !== "list" && parameter.values.length > 1) return "is given more than once";
  const values = parameter.values.map((text) => toJson(leaf, text));
  if (values.includes(undefined)) return "cannot be a query parameter: give one of its fields";
  let at = tree;
  for (const field of fields.slice(0, -1)) {
    at[field.jsonName] ??= {};
    at = at[field.jsonName] as JsonTree;
  }
  at[leaf.jsonName] = leaf.fieldKind === "list" ? (values as JsonValue[]) : (values[0] ?? null);
  return undefined;
}

function resolvePath(schema: DescMessage, path: string): DescField[] | undefined {
  const fields: DescField[] = [];
  let at: DescMessage | undefined = schema;
  for (const part of path.split(".")) {
    const field: DescField | undefined = at?.fields.find(
      (f) => f.name === part || f.jsonName === part,
    );
    if (!field) return undefined;
    fields.push(field);
    at = field.fieldKind === "message" ? field.message : undefined;
  }
  return fields;
}

/** JSON of one value; faults of its form are found when the whole request is parsed. */
function toJson(field: DescField, text: string): JsonValue | undefined {
  if (field.scalar === ScalarType.BOOL)
    return text === "true" ? true : text === "false" ? false : text;
  if (field.scalar !== undefined) return text;
  if (field.enum) return /^-?\d+$/.test(text) ? Number(text) : text;
  if (!field.message || field.fieldKind === "map") return undefined;
  if (field.message.typeName === FieldMaskSchema.typeName) return maskToJson(text);
  return TEXT_MESSAGES.has(field.message.typeName) ? text : undefined;
}

/** The JSON form of a field mask is in camel case; people also write the names of the proto. */
export function maskToJson(text: string): string {
  return text.replace(/_([a-z0-9])/g, (_whole, letter: string) => letter.toUpperCase());
}
