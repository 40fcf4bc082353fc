import { validateHeaderName, validateHeaderValue } from "node:http";
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import type { CheckContext } from "../sink.ts";
import { checkCredentials } from "./credentials.ts";
import { parseEndpoint } from "./endpoint.ts";
import { signerOf } from "./signature.ts";

/** Headers that are ours, or that belong to the connection (RFC 9110, section 7.6.1). */
const OWN_HEADERS: readonly string[] = [
  "connection",
  "content-length",
  "content-encoding",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Faults of a webhook's configuration, all of them; texts never repeat secrets. */
export function checkWebhook(
  config: WebhookSink,
  { templates }: Pick<CheckContext, "templates">,
): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  const endpoint = parseEndpoint(config);
  if (typeof endpoint === "string") add("url", endpoint);
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(config.headers)) {
    const fault = headerFault(name, value, seen);
    seen.add(name.toLowerCase());
    if (fault) add(`headers[${JSON.stringify(name)}]`, fault);
    else if (
      name.toLowerCase() === "authorization" &&
      typeof endpoint !== "string" &&
      (endpoint.authorization || config.clientCredentials)
    ) {
      add(`headers[${JSON.stringify(name)}]`, "is given by another way to authenticate already");
    }
  }
  violations.push(...checkCredentials(config));
  if (config.signingSecret !== "" && !signerOf(config.signingSecret)) {
    add(
      "signing_secret",
      "must be whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an Ed25519 key",
    );
  }
  const template = config.bodyTemplate !== "" && templates?.compile(config.bodyTemplate);
  if (typeof template === "string") add("body_template", template);
  return violations;
}

function headerFault(name: string, value: string, seen: ReadonlySet<string>): string | undefined {
  const lower = name.toLowerCase();
  if (OWN_HEADERS.includes(lower) || /^(webhook|tributary)-/.test(lower)) return "is set by us";
  if (seen.has(lower)) return "is given twice";
  if (value === "") return "has no value (saved values are kept only for the same address)";
  if (value.length > 4096) return "has a value of more than 4,096 characters";
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    return "is not a valid header name and value";
  }
  return undefined;
}
