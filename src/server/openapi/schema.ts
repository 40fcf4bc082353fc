/** JSON Schema (2020-12) of protobuf messages in their JSON form. */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { type FieldRules, field as fieldRules } from "#gen/buf/validate/validate_pb.js";
import comments from "#gen/comments.json" with { type: "json" };

/** A JSON Schema or another part of an OpenAPI document. */
export type JsonPart = { [name: string]: unknown };

const TEXTS = comments as Readonly<Record<string, string>>;

const WELL_KNOWN: Readonly<Record<string, JsonPart>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string", description: "Field names joined by commas." },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array", items: {} },
  "google.protobuf.Any": { type: "object" },
  "google.protobuf.Empty": { type: "object" },
};

const TEXT_64 = { type: "string", format: "int64", pattern: "^-?[0-9]+$" };
const INTEGER = { type: "integer", format: "int32" };

const SCALARS: Partial<Record<ScalarType, JsonPart>> = {
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
  [ScalarType.DOUBLE]: { type: "number", format: "double" },
  [ScalarType.FLOAT]: { type: "number", format: "float" },
  [ScalarType.INT64]: TEXT_64,
  [ScalarType.UINT64]: TEXT_64,
  [ScalarType.SINT64]: TEXT_64,
  [ScalarType.FIXED64]: TEXT_64,
  [ScalarType.SFIXED64]: TEXT_64,
};

/** Comment of an element of our protos by its full name; empty when there is none. */
export function commentOf(name: string): string {
  return TEXTS[name] ?? "";
}

/** Makes references to components, which it collects as they are used. */
export interface SchemaCollector {
  readonly components: JsonPart;
  readonly refer: (schema: DescMessage) => JsonPart;
  /** Schema of one field, with its comment and limits. */
  readonly describeField: (field: DescField) => JsonPart;
}

export function createSchemaCollector(): SchemaCollector {
  const components: JsonPart = {};
  const refer = (schema: DescMessage): JsonPart => {
    const known = WELL_KNOWN[schema.typeName];
    if (known) return known;
    const name = schema.typeName.replace(/^tributary\./, "");
    if (!(name in components)) {
      components[name] = {};
      components[name] = describeMessage(schema, describeField);
    }
    return { $ref: `#/components/schemas/${name}` };
  };
  const describeField = (field: DescField): JsonPart => {
    const rules = getOption(field, fieldRules);
    const description = commentOf(`${field.parent.typeName}.${field.name}`);
    const schema = describeValue(field, refer, rules);
    return { ...schema, ...(description && { description }) };
  };
  return { components, refer, describeField };
}

function describeMessage(
  schema: DescMessage,
  describeField: (field: DescField) => JsonPart,
): JsonPart {
  const required = schema.fields.filter((field) => getOption(field, fieldRules).required);
  const description = commentOf(schema.typeName);
  return {
    type: "object",
    ...(description && { description }),
    properties: Object.fromEntries(schema.fields.map((f) => [f.jsonName, describeField(f)])),
    ...(required.length > 0 && { required: required.map((f) => f.jsonName) }),
    additionalProperties: false,
  };
}

function describeValue(
  field: DescField,
  refer: (schema: DescMessage) => JsonPart,
  rules: FieldRules,
): JsonPart {
  if (field.fieldKind === "map") {
    return { type: "object", additionalProperties: describeItem(field, refer) };
  }
  if (field.fieldKind === "list") {
    return { type: "array", items: describeItem(field, refer), ...listLimits(rules) };
  }
  return { ...describeItem(field, refer), ...scalarLimits(rules) };
}

function describeItem(field: DescField, refer: (schema: DescMessage) => JsonPart): JsonPart {
  if (field.message) return refer(field.message);
  if (field.enum) return describeEnum(field.enum);
  return (field.scalar && SCALARS[field.scalar]) ?? INTEGER;
}

function describeEnum(schema: DescEnum): JsonPart {
  return { type: "string", enum: schema.values.map(({ name }) => name) };
}

function listLimits({ type }: FieldRules): JsonPart {
  if (type.case !== "repeated") return {};
  const { minItems, maxItems, unique } = type.value;
  return {
    ...(minItems > 0n && { minItems: Number(minItems) }),
    ...(maxItems > 0n && { maxItems: Number(maxItems) }),
    ...(unique && { uniqueItems: true }),
  };
}

function scalarLimits({ type }: FieldRules): JsonPart {
  if (type.case === "string") {
    const { minLen, maxLen, maxBytes, pattern } = type.value;
    const longest = maxLen > 0n ? maxLen : maxBytes;
    return {
      ...(minLen > 0n && { minLength: Number(minLen) }),
      ...(longest > 0n && { maxLength: Number(longest) }),
      ...(pattern && { pattern }),
    };
  }
  if (type.case !== "int32" && type.case !== "uint32" && type.case !== "double") return {};
  const { greaterThan, lessThan } = type.value;
  return {
    ...(greaterThan.case === "gte" && { minimum: greaterThan.value }),
    ...(greaterThan.case === "gt" && { exclusiveMinimum: greaterThan.value }),
    ...(lessThan.case === "lte" && { maximum: lessThan.value }),
    ...(lessThan.case === "lt" && { exclusiveMaximum: lessThan.value }),
  };
}
