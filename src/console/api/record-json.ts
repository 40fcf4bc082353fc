/** Records as text: byte for byte as they were pushed. */
import { type Field, Field_Type as Type } from "#gen/tributary/management/v1/stream_pb.js";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";

const decoder = new TextDecoder();

/** The record's own bytes: numbers stand as they were pushed. */
export function jsonOf(record: { readonly json: Uint8Array }): string {
  return decoder.decode(record.json);
}

/** Indents for reading; a record whose numbers would change by it stays as it is. */
export function indented(json: string): string {
  try {
    const value = JSON.parse(json) as unknown;
    const isSame = JSON.stringify(value) === json.replace(/\s*([{}[\],:])\s*/g, "$1");
    return isSame ? JSON.stringify(value, null, 2) : json;
  } catch {
    return json;
  }
}

/** The key of a record as JSON text, in the order of the key fields; empty on a stream without keys. */
export function keyOf(record: Record, keyFields: readonly string[]): string {
  if (keyFields.length === 0) return "";
  try {
    const value = JSON.parse(jsonOf(record)) as { [name: string]: unknown };
    return JSON.stringify(Object.fromEntries(keyFields.map((name) => [name, value[name]])));
  } catch {
    return "";
  }
}

/**
 * A key as one types it, a text for each key field, as the JSON text that calls take. Undefined while a
 * part of it is missing; empty for no key at all.
 */
export function keyJson(
  fields: readonly Field[],
  keyFields: readonly string[],
  texts: Readonly<{ [name: string]: string }>,
): string | undefined {
  const given = keyFields.filter((name) => (texts[name] ?? "") !== "");
  if (given.length === 0) return "";
  if (given.length < keyFields.length) return undefined;
  const parts = keyFields.map((name) => {
    const type = fields.find((field) => field.name === name)?.type;
    return `${JSON.stringify(name)}:${valueJson(type, texts[name] ?? "")}`;
  });
  return `{${parts.join(",")}}`;
}

/** Digits are kept as typed: a long integer is no JavaScript number. */
function valueJson(type: Type | undefined, text: string): string {
  const isNumber = type === Type.LONG || type === Type.DECIMAL;
  if (isNumber && /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return text;
  if (type === Type.BOOLEAN && /^(true|false)$/.test(text)) return text;
  return JSON.stringify(text);
}
