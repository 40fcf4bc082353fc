/** What a call from the reference begins with, and the same as a command. */
import { type DescMessage, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
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
