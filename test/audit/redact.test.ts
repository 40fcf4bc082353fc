import { create, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CreateApplicationResponseSchema } from "#gen/tributary/management/v1/application_service_pb.js";
import { CreateSinkRequestSchema } from "#gen/tributary/management/v1/sink_service_pb.js";
import { OWN_SERVICES } from "../../src/app/services.ts";
import { isSecretField, redactMessage } from "../../src/audit/redact.ts";

/** Fields whose names look like secrets and that hold none, each for a reason. */
const OPEN_FIELDS = new Set([
  // Where a list goes on.
  "page_token",
  "next_page_token",
  // First characters, made to be shown.
  "secret_hints",
  // Always `Bearer` or `DPoP`.
  "token_type",
  // Names the token without opening anything.
  "token_id",
]);

function messagesOf(schemas: readonly DescMessage[]): Set<DescMessage> {
  const found = new Set<DescMessage>();
  const visit = (schema: DescMessage) => {
    if (found.has(schema)) return;
    found.add(schema);
    for (const field of schema.fields) if (field.message) visit(field.message);
  };
  for (const schema of schemas) visit(schema);
  return found;
}

const holdsText = (field: DescField) =>
  field.scalar !== undefined && ["STRING", "BYTES"].includes(kindOf(field.scalar));
const kindOf = (scalar: number) => ({ 9: "STRING", 12: "BYTES" })[scalar] ?? "";

test("check 34: every text field named *secret*, *password*, *token* or headers is redacted", () => {
  const methods = OWN_SERVICES.flatMap((service) => service.methods);
  const messages = messagesOf(methods.flatMap((method) => [method.input, method.output]));
  const missed = [...messages]
    .filter((message) => message.typeName.startsWith("tributary."))
    .flatMap((message) => message.fields)
    .filter((field) => /secret|password|token|^headers$/.test(field.name) && holdsText(field))
    .filter((field) => !isSecretField(field) && !OPEN_FIELDS.has(field.name))
    .map((field) => `${field.parent.typeName}.${field.name}`);
  expect(missed).toEqual([]);
});

test("secrets of requests and answers are replaced, wherever they stand", () => {
  const answer = create(CreateApplicationResponseSchema, {
    application: { name: "projects/p/applications/a", secretHints: ["abcd"] },
    clientSecret: "very-secret",
  });
  expect(redactMessage(CreateApplicationResponseSchema, answer)).toMatchObject({
    application: { name: "projects/p/applications/a", secret_hints: ["abcd"] },
    client_secret: "***",
  });
  const request = create(CreateSinkRequestSchema, {
    sink: {
      config: {
        case: "webhook",
        value: {
          url: "https://user:very-secret@example.com/in",
          headers: { authorization: "very-secret" },
          signingSecret: "very-secret",
        },
      },
    },
  });
  const kept = JSON.stringify(redactMessage(CreateSinkRequestSchema, request));
  expect(kept).not.toContain("very-secret");
  expect(kept).toContain("https://***@example.com/in");
  expect(kept).toContain("authorization");
  // The message itself stays as it was.
  expect(answer.clientSecret).toBe("very-secret");
});
