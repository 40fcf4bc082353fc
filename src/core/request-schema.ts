/** The schema preset HTTP_REQUEST: what a source of mode REQUEST stores of a request. */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  Field_Type,
  FieldSchema,
  type Schema,
} from "#gen/tributary/management/v1/stream_pb.js";

const PLAN: readonly (readonly [name: string, type: Field_Type, description: string])[] = [
  ["method", Field_Type.STRING, "Method, in capital letters"],
  ["path", Field_Type.STRING, "Path without the query; a secret in it is left out"],
  ["address", Field_Type.STRING, "Address of the sender"],
  ["time", Field_Type.TIMESTAMP, "When the request arrived"],
  ["headers", Field_Type.MAP, "Headers by lower-case name, without credentials"],
  ["query", Field_Type.STRING, "Query, as it was sent, without the question mark"],
  ["content_type", Field_Type.STRING, "Content type, as it was sent"],
  ["body", Field_Type.JSON, "The body, where it is JSON"],
  ["body_text", Field_Type.STRING, "The body, where it is other text in UTF-8"],
  ["body_base64", Field_Type.BINARY, "The body, where it is neither"],
];
const ALWAYS_THERE = 5;

/** The fields of the preset. */
export function requestFields(): Field[] {
  return PLAN.map(([name, type, description], i) =>
    create(FieldSchema, {
      name,
      type,
      description,
      nullable: i >= ALWAYS_THERE,
      ...(type === Field_Type.MAP && { element: create(FieldSchema, { type: Field_Type.STRING }) }),
    }),
  );
}

/** Why a schema cannot hold requests; undefined when it can. Further fields must be nullable. */
export function requestSchemaFault(schema: Schema): string | undefined {
  const advice = 'make a stream whose schema is {"preset":"HTTP_REQUEST"}';
  const wanted = requestFields();
  for (const field of wanted) {
    const found = schema.fields.find(({ name }) => name === field.name);
    if (!found) return `the stream has no field ${field.name}: ${advice}`;
    const isSame =
      found.type === field.type && (found.type !== Field_Type.MAP || isText(found.element));
    if (found.type !== Field_Type.JSON && !isSame) {
      return `the stream's field ${field.name} is not ${Field_Type[field.type]}: ${advice}`;
    }
    if (field.nullable && !found.nullable) {
      return `the stream's field ${field.name} must be nullable: ${advice}`;
    }
  }
  const names = new Set(wanted.map(({ name }) => name));
  const extra = schema.fields.find((field) => !names.has(field.name) && !field.nullable);
  return extra && `the stream's field ${extra.name} would never be there: ${advice}`;
}

function isText(element: Field | undefined): boolean {
  return element?.type === Field_Type.STRING || element?.type === Field_Type.JSON;
}
