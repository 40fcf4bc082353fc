/** Messages as the audit log keeps them: everything but what must stay secret. */
import {
  clone,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** What stands in place of a secret. */
export const REDACTED = "***";
/** A message that is longer as JSON is left out; in characters. */
const LENGTH_MAX = 64 * 1024;

const secretName = /secret|password|token|credential|private_key|assertion|proof|headers|cookie/;
/** Names that look like secrets and are none. */
const openName = /^(next_)?page_token$|_hints?$|_(time|kind|type|id|name|uid)$|^token_type/;

/**
 * Whether a field may hold a secret: text, bytes, or a map or list of them, by its name or by the
 * option `debug_redact`. New fields are covered by their names, so that none is forgotten.
 */
export function isSecretField(field: DescField): boolean {
  if (field.proto.options?.debugRedact) return true;
  return holdsText(field) && secretName.test(field.name) && !openName.test(field.name);
}

/** The message as JSON, with its secrets and the credentials in its URLs replaced. */
export function redactMessage(schema: DescMessage, message: Message): JsonObject {
  const copy = clone(schema, message);
  hideSecrets(reflect(schema, copy));
  const json = hideUrlCredentials(toJson(schema, copy, { useProtoFieldName: true }));
  const isLong = JSON.stringify(json).length > LENGTH_MAX;
  return isLong ? { truncated: true } : (json as JsonObject);
}

function holdsText(field: DescField): boolean {
  if (field.fieldKind === "message" || field.fieldKind === "enum") return false;
  if (field.fieldKind === "list" && field.listKind !== "scalar") return false;
  if (field.fieldKind === "map" && field.mapKind !== "scalar") return false;
  const { scalar } = field as { scalar?: ScalarType };
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}

function hideSecrets(message: ReflectMessage): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (isSecretField(field)) hide(message, field);
    else if (field.fieldKind === "message") hideSecrets(message.get(field));
    else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of message.get(field)) hideSecrets(item as ReflectMessage);
    } else if (field.fieldKind === "map" && field.mapKind === "message") {
      for (const [, item] of message.get(field)) hideSecrets(item as ReflectMessage);
    }
  }
}

function hide(message: ReflectMessage, field: DescField): void {
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
    message.set(field, REDACTED);
    return;
  }
  const isTextMap = field.fieldKind === "map" && field.scalar === ScalarType.STRING;
  if (!isTextMap) {
    message.clear(field);
    return;
  }
  const map = message.get(field);
  for (const key of [...map.keys()]) map.set(key, REDACTED);
}

function hideUrlCredentials(value: JsonValue): JsonValue {
  if (typeof value === "string") return value.replace(/:\/\/[^/@\s]*@/g, `://${REDACTED}@`);
  if (Array.isArray(value)) return value.map(hideUrlCredentials);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, hideUrlCredentials(item)]),
  );
}
