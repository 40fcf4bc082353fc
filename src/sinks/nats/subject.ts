/** Subjects of messages, made of texts and parts of the record. */
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { forEachMember } from "../../core/json-members.ts";
import type { SinkRow } from "../sink.ts";

/** Bytes of a subject: a server's protocol line has 4,096. */
export const SUBJECT_BYTES_MAX = 3000;

/** The placeholder of the record's key. */
export const KEY_NAME = "key";

/** A subject taken apart: texts, and between them the names in braces. */
export interface SubjectTemplate {
  readonly texts: readonly string[];
  readonly names: readonly string[];
}

const PART = /\{([^{}]*)\}/g;
const LITERAL = /^[!-~]*$/;
const TYPES: readonly Field_Type[] = [Field_Type.STRING, Field_Type.LONG, Field_Type.BOOLEAN];

/** Takes a subject apart; a string says what is wrong with it. */
export function parseSubject(subject: string): SubjectTemplate | string {
  const texts = subject.split(PART).filter((_, i) => i % 2 === 0);
  const names = [...subject.matchAll(PART)].map((match) => match[1]!);
  if (names.some((name) => name === "")) return "has empty braces: name the key or a field";
  if (texts.some((text) => !LITERAL.test(text) || /[{}*>]/.test(text))) {
    return "must be printable ASCII without spaces, wildcards and lone braces";
  }
  if (subject.startsWith("$"))
    return "must not begin with $, where servers keep their own subjects";
  const sample = texts.join("x");
  if (sample.split(".").some((token) => token === "")) {
    return "has an empty part: dots stand between texts";
  }
  return { texts, names };
}

/** What is wrong with the names of a subject for records of a schema. */
export function nameFault({ names }: SubjectTemplate, schema: Schema): string | undefined {
  for (const name of names) {
    if (name === KEY_NAME) continue;
    const field = schema.fields.find((candidate) => candidate.name === name);
    if (!field) return `names {${name}}, and there is no such field`;
    if (!TYPES.includes(field.type)) return `names {${name}}, which is no STRING, LONG or BOOLEAN`;
  }
  return undefined;
}

/** The subject of a row; `key` is the text of its key, where one is named. */
export function subjectOf(template: SubjectTemplate, row: SinkRow, key: string): string {
  const { texts, names } = template;
  if (names.length === 0) return texts[0]!;
  const values = new Map([[KEY_NAME, key]]);
  if (names.some((name) => name !== KEY_NAME)) {
    const { buffer, byteOffset, length } = row.json;
    forEachMember(Buffer.from(buffer, byteOffset, length).toString(), (name, json) => {
      if (name === KEY_NAME || !names.includes(name)) return;
      values.set(name, json.startsWith('"') ? (JSON.parse(json) as string) : json);
    });
  }
  return names.reduce(
    (subject, name, i) => `${subject}${escapeToken(values.get(name) ?? "")}${texts[i + 1]}`,
    texts[0]!,
  );
}

/** A text as one token: it can neither make further tokens nor be a wildcard. */
export function escapeToken(text: string): string {
  const escaped = encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*.]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return escaped === "" ? "%" : escaped;
}
