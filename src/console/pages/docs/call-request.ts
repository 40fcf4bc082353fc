/** What a call from the reference begins with, and the same as a command. */
import {
  type DescMessage,
  type DescMethod,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { shell } from "../../api/curl.ts";
import { csrfHeader } from "../../api/transport.ts";
import { isOutputOnly } from "../../parts/message-words.ts";

/** Who a call is made as: with a token the session stays out of it. */
export function callerOf(token: string): {
  readonly credentials: RequestCredentials;
  readonly headers: Record<string, string>;
} {
  return token.trim() === ""
    ? { credentials: "same-origin", headers: csrfHeader() }
    : { credentials: "omit", headers: { authorization: `Bearer ${token.trim()}` } };
}

/** The call as a command; the token stays in its variable. */
export function curlOf(path: string, body: string): string {
  return `curl ${shell(`${location.origin}${path}`)} \\
  -H "Authorization: Bearer $ACCESS_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d ${shell(body)}
`;
}

/** A call that takes many messages, as a command: gRPC by buf. */
export function bufStreamOf(method: DescMethod, messages: string): string {
  const plain = location.protocol === "http:" ? " --http2-prior-knowledge" : "";
  return `buf curl --protocol grpc${plain} \\
  -H "Authorization: Bearer $ACCESS_TOKEN" \\
  -d ${shell(messages.trim())} \\
  ${shell(`${location.origin}/${method.parent.typeName}/${method.name}`)}
`;
}

/** A message that holds one other, such as one call of many, begins with that filled in. */
export function messageOf(desc: DescMessage): JsonObject {
  const field = desc.fields[0];
  return field?.message ? { [field.jsonName]: skeletonOf(field.message) } : skeletonOf(desc);
}

/** The fields that say which resource is meant, and messages one level deep. */
export function skeletonOf(desc: DescMessage, depth = 0): JsonObject {
  const result: JsonObject = {};
  for (const field of desc.fields) {
    const isTop = depth === 0 || /^(name|display_name)$/.test(field.name);
    if (field.oneof || !isTop || (depth > 0 && isOutputOnly(field) && field.name !== "name"))
      continue;
    const value = emptyOf(field, depth);
    if (value !== undefined) result[field.jsonName] = value;
  }
  return result;
}

function emptyOf(field: DescMessage["fields"][number], depth: number): JsonValue | undefined {
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
    return /page_token|etag/.test(field.name) ? undefined : "";
  }
  if (field.fieldKind === "list" && depth === 0) return [];
  if (field.fieldKind !== "message" || depth > 0) return undefined;
  if (!field.message.typeName.startsWith("tributary.")) return undefined;
  return skeletonOf(field.message, depth + 1);
}
