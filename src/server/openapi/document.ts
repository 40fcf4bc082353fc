/** `/openapi.json`: OpenAPI 3.1 from the same descriptors and options that the server runs on. */
import type { DescService } from "@bufbuild/protobuf";
import { PushResponseSchema } from "#gen/tributary/push/v1/push_service_pb.js";
import { OPERATION_SCOPES } from "../../auth/authorize.ts";
import { sendText } from "../answer.ts";
import type { Route } from "../route.ts";
import { readBindings } from "../transcoder/binding.ts";
import { describeOperation, pathOfBinding } from "./operation.ts";
import { PLAIN_PATHS, PLAIN_SCHEMAS } from "./plain-paths.ts";
import { commentOf, createSchemaCollector, type JsonPart } from "./schema.ts";

/** What the document says of the server. */
export interface OpenApiOptions {
  readonly services: readonly DescService[];
  readonly version: string;
  /** Address of the server as callers see it; empty means where the document came from. */
  readonly publicUrl?: string | undefined;
}

/** Makes the document. */
export function createOpenApiDocument(options: OpenApiOptions): JsonPart {
  const schemas = createSchemaCollector();
  schemas.refer(PushResponseSchema);
  const paths: Record<string, JsonPart> = {};
  const ordinals = new Map<string, number>();
  for (const binding of readBindings(options.services)) {
    const rpc = `${binding.method.parent.typeName}.${binding.method.name}`;
    const ordinal = ordinals.get(rpc) ?? 0;
    ordinals.set(rpc, ordinal + 1);
    const { path } = pathOfBinding(binding);
    const operation = describeOperation(binding, ordinal, schemas);
    paths[path] = { ...paths[path], [binding.httpMethod.toLowerCase()]: operation };
  }
  for (const [path, item] of Object.entries(PLAIN_PATHS)) paths[path] = { ...paths[path], ...item };
  return {
    openapi: "3.1.0",
    info: {
      title: "Tributary",
      version: options.version,
      description: "Push JSON records; get them delivered, in order and without loss.",
    },
    servers: [{ url: options.publicUrl || "/" }],
    tags: describeTags(options.services),
    paths,
    components: {
      schemas: { ...schemas.components, ...PLAIN_SCHEMAS },
      responses: {
        Error: {
          description: "Refused or failed; the header x-request-id names the request.",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
      securitySchemes: describeSecuritySchemes(options.publicUrl ?? ""),
    },
  };
}

/** The route of the document, which is made once. */
export function openApiRoute(options: () => OpenApiOptions): Route {
  let text: string | undefined;
  return {
    methods: ["GET", "HEAD"],
    path: "/openapi.json",
    handle(_request, response) {
      text ??= JSON.stringify(createOpenApiDocument(options()));
      const headers = { "content-type": "application/json", "cache-control": "max-age=300" };
      sendText(response, { status: 200, text, headers });
    },
  };
}

function describeTags(services: readonly DescService[]): JsonPart[] {
  const own = services
    .filter(({ typeName }) => typeName.startsWith("tributary."))
    .map(({ name, typeName }) => ({ name, description: commentOf(typeName) }));
  return [...own, { name: "OAuth2" }, { name: "Probes" }];
}

function describeSecuritySchemes(publicUrl: string): JsonPart {
  const scopes = Object.fromEntries(
    Object.values(OPERATION_SCOPES).map((scope) => [scope, `Allows ${scope.replace("api:", "")}.`]),
  );
  const tokenUrl = `${publicUrl}/oauth2/token`;
  return {
    oauth2: { type: "oauth2", flows: { clientCredentials: { tokenUrl, scopes } } },
    basic: { type: "http", scheme: "basic" },
  };
}
