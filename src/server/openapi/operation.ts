/** OpenAPI operations of REST bindings. */
import type { DescField, DescMethod } from "@bufbuild/protobuf";
import { getOption } from "@bufbuild/protobuf";
import { rule as ruleOption } from "#gen/tributary/access/v1/access_pb.js";
import { OPERATION_SCOPES } from "../../auth/authorize.ts";
import type { Binding } from "../transcoder/binding.ts";
import { commentOf, type JsonPart, type SchemaCollector } from "./schema.ts";

/** Answers that any operation may give. */
export const ERROR_ANSWER = { $ref: "#/components/responses/Error" };

const TEXT_PARAMETERS = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
]);

/** Path with a parameter for each `*`: `/v1/projects/{project}/streams/{stream}:pause`. */
export function pathOfBinding({ template }: Binding): {
  path: string;
  parameters: readonly JsonPart[];
} {
  const parameters: JsonPart[] = [];
  const segments = template.segments.map((segment, i) => {
    if (segment !== "*") return segment;
    const name = (template.segments[i - 1] ?? "id").replace(/s$/, "").toLowerCase();
    parameters.push({
      name,
      in: "path",
      required: true,
      schema: { type: "string", pattern: "^[a-z][a-z0-9-]{0,62}$" },
    });
    return `{${name}}`;
  });
  const verb = template.verb === undefined ? "" : `:${template.verb}`;
  return { path: `/${segments.join("/")}${verb}`, parameters };
}

/** The operation; `operationId` is unique when `ordinal` counts the bindings of an rpc. */
export function describeOperation(
  binding: Binding,
  ordinal: number,
  schemas: SchemaCollector,
): JsonPart {
  const { method } = binding;
  const description = commentOf(`${method.parent.typeName}.${method.name}`);
  const isStream = method.methodKind === "server_streaming";
  const type = isStream ? "application/x-ndjson" : "application/json";
  const parameters = [
    ...pathOfBinding(binding).parameters,
    ...queryFields(binding).map((field) => describeParameter(field, schemas)),
  ];
  return {
    operationId: `${method.parent.name}_${method.name}${ordinal > 0 ? `_${ordinal + 1}` : ""}`,
    tags: [method.parent.name],
    ...(description && { summary: firstSentence(description), description }),
    ...(parameters.length > 0 && { parameters }),
    ...describeBody(binding, schemas),
    responses: {
      200: {
        description: isStream ? "One JSON document per line." : "Done.",
        content: { [type]: { schema: schemas.refer(method.output) } },
      },
      default: ERROR_ANSWER,
    },
    security: describeSecurity(method),
  };
}

function describeBody({ method, body }: Binding, schemas: SchemaCollector): JsonPart {
  if (!body) return {};
  const schema = body === "*" ? method.input : body.message;
  if (!schema) return {};
  const content = { "application/json": { schema: schemas.refer(schema) } };
  return { requestBody: { required: body !== "*", content } };
}

function describeParameter(field: DescField, schemas: SchemaCollector): JsonPart {
  const { description, ...schema } = schemas.describeField(field);
  return {
    name: field.jsonName,
    in: "query",
    ...(description ? { description } : {}),
    schema,
  };
}

/** Fields that neither path nor body sets and that a query can hold. */
function queryFields({ method, template, body }: Binding): DescField[] {
  if (body === "*") return [];
  const bound = new Set(template.variables.map(({ field }) => field.split(".")[0]));
  if (body) bound.add(body.name);
  return method.input.fields.filter((field) => {
    if (bound.has(field.name) || field.fieldKind === "map") return false;
    return !field.message || TEXT_PARAMETERS.has(field.message.typeName);
  });
}

function describeSecurity(method: DescMethod): JsonPart[] {
  const { operation } = getOption(method, ruleOption);
  const scope = OPERATION_SCOPES[operation as keyof typeof OPERATION_SCOPES];
  return scope ? [{ oauth2: [scope] }] : [];
}

function firstSentence(text: string): string {
  return (/^[\s\S]*?\.(?=\s|$)/.exec(text)?.[0] ?? text).replace(/\s+/g, " ").replace(/\.$/, "");
}
