/** Paths that no rpc declares: the push face, OAuth2 and the probes. */
import { ERROR_ANSWER } from "./operation.ts";
import type { JsonPart } from "./schema.ts";

const form = (properties: JsonPart, required: readonly string[]): JsonPart => ({
  required: true,
  content: {
    "application/x-www-form-urlencoded": { schema: { type: "object", properties, required } },
  },
});

const json = (description: string, schema: JsonPart, type = "application/json"): JsonPart => ({
  description,
  content: { [type]: { schema } },
});

const text = { type: "string" };
const client = { client_id: text, client_secret: text };
const id = { type: "string", pattern: "^[a-z][a-z0-9-]{0,62}$" };
const oauth2Error = json("Refused, after RFC 6749 section 5.2.", {
  $ref: "#/components/schemas/OAuth2Error",
});

/** The push face needs `api:use-streams-write` and the role EDITOR. */
const push: JsonPart = {
  operationId: "pushRecords",
  tags: ["PushService"],
  summary: "Stores all records of the body, or none of them",
  parameters: [
    { name: "project", in: "path", required: true, schema: id },
    { name: "stream", in: "path", required: true, schema: id },
    { name: "branch", in: "query", schema: id },
    {
      name: "Idempotency-Key",
      in: "header",
      description: "Makes a repeated call safe for 2 minutes.",
      schema: { type: "string", maxLength: 256 },
    },
  ],
  requestBody: {
    required: true,
    content: {
      "application/json": {
        schema: {
          oneOf: [
            { $ref: "#/components/schemas/RecordToPush" },
            { type: "array", items: { $ref: "#/components/schemas/RecordToPush" }, minItems: 1 },
          ],
        },
      },
      "application/x-ndjson": { schema: { type: "string", description: "One object per line." } },
    },
  },
  responses: {
    200: json("Every record is validated and on disk.", {
      $ref: "#/components/schemas/push.v1.PushResponse",
    }),
    default: ERROR_ANSWER,
  },
  security: [{ oauth2: ["api:use-streams-write"] }],
};

/** What senders see of a source. Its own authentication applies, not that of the API. */
const source: JsonPart = {
  operationId: "pushToSource",
  tags: ["SourceService"],
  summary: "Takes what a sender without RPC has: records, or the whole request as one record",
  parameters: [
    { name: "source", in: "path", required: true, schema: text },
    {
      name: "Idempotency-Key",
      in: "header",
      description: "Makes a repeated request safe for 2 minutes.",
      schema: { type: "string", maxLength: 256 },
    },
  ],
  requestBody: {
    description: "An object, an array, one object on each line, or joined by commas.",
    required: true,
    content: {
      "application/json": { schema: { type: ["object", "array"] } },
      "application/x-ndjson": { schema: { type: "string", description: "One object per line." } },
    },
  },
  responses: {
    200: json("Every record that counts as accepted is on disk, and every one in quarantine.", {
      $ref: "#/components/schemas/SourceAnswer",
    }),
    default: ERROR_ANSWER,
  },
  security: [],
};

const oauth2 = (operationId: string, summary: string, body: JsonPart, schema: JsonPart) => ({
  post: {
    operationId,
    tags: ["OAuth2"],
    summary,
    requestBody: body,
    responses: { 200: json("Done.", schema), default: oauth2Error },
    security: [{ basic: [] }, {}],
  },
});

const document = (operationId: string, summary: string, type?: string): JsonPart => ({
  get: {
    operationId,
    tags: ["OAuth2"],
    summary,
    responses: { 200: json("The document.", { type: "object" }, type) },
    security: [],
  },
});

const probe = (operationId: string, summary: string): JsonPart => ({
  get: {
    operationId,
    tags: ["Probes"],
    summary,
    responses: {
      200: json("Yes.", { type: "object" }),
      503: json("No; `missing` names the dependencies.", { type: "object" }),
    },
    security: [],
  },
});

/** Path items by path. */
export const PLAIN_PATHS: Readonly<Record<string, JsonPart>> = {
  "/v1/projects/{project}/streams/{stream}/records": { post: push },
  "/in/{source}": { post: source },
  "/oauth2/token": oauth2(
    "issueToken",
    "Issues an access token (RFC 6749, client credentials)",
    form({ grant_type: { const: "client_credentials" }, scope: text, ...client }, ["grant_type"]),
    {
      type: "object",
      properties: {
        access_token: text,
        token_type: { const: "Bearer" },
        expires_in: { type: "integer" },
        scope: text,
      },
      required: ["access_token", "token_type", "expires_in"],
    },
  ),
  "/oauth2/introspect": oauth2(
    "introspectToken",
    "Says whether a token is active (RFC 7662)",
    form({ token: text, ...client }, ["token"]),
    { type: "object", properties: { active: { type: "boolean" } }, required: ["active"] },
  ),
  "/oauth2/revoke": oauth2(
    "revokeToken",
    "Ends a token (RFC 7009)",
    form({ token: text, ...client }, ["token"]),
    { type: "object" },
  ),
  "/.well-known/oauth-authorization-server": document("serverMetadata", "Metadata (RFC 8414)"),
  "/.well-known/jwks.json": document(
    "keys",
    "Public keys of access tokens (RFC 7517)",
    "application/jwk-set+json",
  ),
  "/healthz": probe("isAlive", "Whether the process lives"),
  "/readyz": probe("isReady", "Whether the server can do its work"),
};

/** Components that the paths above refer to. */
export const PLAIN_SCHEMAS: JsonPart = {
  RecordToPush: {
    type: "object",
    properties: {
      value: { type: "object", description: "The record; its bytes are kept as they came." },
      id: { type: "string", maxLength: 256, description: "The producer's own id of the event." },
    },
    required: ["value"],
    additionalProperties: false,
  },
  SourceAnswer: {
    type: "object",
    properties: {
      accepted: { ...text, description: "How many records were stored, as text." },
      duplicate: { type: "boolean", description: "An earlier request stored the same." },
      firstPlace: { ...text, description: "Place of the first record in its stream." },
      quarantined: { ...text, description: "How many records were refused and kept, as text." },
      durabilityWarning: { ...text, description: "Set when a power cut could lose the records." },
    },
    required: ["accepted"],
  },
  OAuth2Error: {
    type: "object",
    properties: { error: text, error_description: text },
    required: ["error"],
  },
  Error: {
    type: "object",
    description: "Connect's JSON form of an error.",
    properties: {
      code: { ...text, description: "Such as `invalid_argument` or `not_found`." },
      message: { ...text, description: "What is wrong and how to mend it." },
      details: {
        type: "array",
        items: {
          type: "object",
          properties: {
            type: { ...text, description: "Such as `google.rpc.BadRequest`." },
            value: { ...text, description: "The message as base64." },
            debug: { type: "object", description: "The message as JSON." },
          },
        },
      },
    },
    required: ["code"],
  },
};
