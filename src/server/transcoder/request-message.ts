/** The request message of a REST call, from its path, query and body. */
import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  fromJsonString,
  type JsonObject,
  type Message,
  mergeFromJson,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { fail, failFields } from "../../core/errors.ts";
import { shorten } from "../answer.ts";
import { explainEnum } from "../enum-fault.ts";
import { decodeJsonText } from "../json-text.ts";
import type { Binding } from "./binding.ts";
import { queryToJson } from "./query.ts";

/** Field that tells which fields of the body count. */
const UPDATE_MASK = "update_mask";

/** Fields of a resource that say which one it is, and are never changed by an update. */
const IDENTITY = new Set(["name", "etag"]);

const TEXT_MAX = 160;

/** Builds the message. Fails with INVALID_JSON for the body, INVALID_FIELDS for path and query. */
export function buildRequest(
  binding: Binding,
  parts: {
    readonly path: ReadonlyMap<string, string>;
    readonly query: URLSearchParams;
    readonly body: Uint8Array;
  },
): Message {
  const { input } = binding.method;
  const message = readBody(binding, parts.body);
  const bound = new Set(parts.path.keys());
  if (binding.body === "*") {
    for (const field of input.fields) bound.add(field.name);
  } else if (binding.body) bound.add(binding.body.name);
  mergeQuery(input, message, queryToJson(input, parts.query, bound));
  for (const [path, value] of parts.path) setText(input, message, { path: path.split("."), value });
  if (binding.httpMethod === "PATCH") fillUpdateMask(binding, message, parts.body);
  return message;
}

function readBody({ method, body }: Binding, bytes: Uint8Array): Message {
  if (!body || (body === "*" && bytes.length === 0)) return create(method.input);
  const text = decodeJsonText(bytes);
  if (body === "*") return parse(method.input, text);
  const message = create(method.input);
  if (body.fieldKind === "message") {
    reflect(method.input, message).set(body, reflect(body.message, parse(body.message, text)));
  }
  return message;
}

function parse(schema: DescMessage, text: string): Message {
  try {
    return fromJsonString(schema, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    const told = explainEnum(why, schema) ?? shorten(why, TEXT_MAX);
    throw fail("INVALID_JSON", `the body is not a ${schema.name}: ${told}`);
  }
}

function mergeQuery(schema: DescMessage, message: Message, json: JsonObject): void {
  const violations: { field: string; description: string }[] = [];
  for (const [name, value] of Object.entries(json)) {
    try {
      // Alone first, so that every faulty parameter is named.
      fromJson(schema, { [name]: value });
      mergeFromJson(schema, message, { [name]: value });
    } catch (error) {
      const description = shorten(error instanceof Error ? error.message : "invalid", TEXT_MAX);
      violations.push({ field: name, description });
    }
  }
  if (violations.length > 0) throw failFields(violations);
}

/** The path wins over what the body says: it is what was authorised and logged. */
function setText(
  schema: DescMessage,
  message: Message,
  { path, value }: { path: readonly string[]; value: string },
): void {
  let at = reflect(schema, message);
  for (const name of path.slice(0, -1)) {
    const field = at.desc.fields.find((f) => f.name === name);
    if (field?.fieldKind !== "message") throw new Error(`no message field ${name}`);
    if (!at.isSet(field)) at.set(field, reflect(field.message));
    at = at.get(field);
  }
  const leaf = at.desc.fields.find((f) => f.name === path.at(-1));
  if (leaf?.fieldKind !== "scalar") throw new Error(`no text field ${path.join(".")}`);
  at.set(leaf, value);
}

/** Without a mask, the fields that stand in the body are meant: also those with empty values. */
function fillUpdateMask({ method, body }: Binding, message: Message, bytes: Uint8Array): void {
  const field = method.input.fields.find((f) => f.name === UPDATE_MASK);
  if (field?.message?.typeName !== FieldMaskSchema.typeName || typeof body !== "object") return;
  const at = reflect(method.input, message);
  if (field.fieldKind !== "message" || at.isSet(field)) return;
  const paths = maskOfBody(body, decodeJsonText(bytes));
  at.set(field, reflect(FieldMaskSchema, create(FieldMaskSchema, { paths })));
}

function maskOfBody(body: DescField, text: string): string[] {
  const names = new Set(Object.keys(JSON.parse(text) as object));
  const fields = body.message?.fields ?? [];
  return fields
    .filter((field) => names.has(field.name) || names.has(field.jsonName))
    .map((field) => field.name)
    .filter((name) => !IDENTITY.has(name));
}
