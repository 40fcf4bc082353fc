/** What the body of a record is: the record itself, or the body of the request that a source kept whole. */
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { requestSchemaFault } from "../core/request-schema.ts";
import { parseForm } from "./form-body.ts";
import { createPathSet } from "./path-set.ts";

/** A body. */
export interface Body {
  /** As it was sent, where it was text. */
  readonly text: string;
  /** As JSON: a form as the object that it stands for; undefined for what is neither. */
  readonly json: string | undefined;
}

/** Finds the body in the text of a record. */
export type BodyReader = (recordText: string) => Body;

const FORM = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i;

/** The reader for records of a stream: those of the preset HTTP_REQUEST hold requests. */
export function bodyReader(schema: Schema): BodyReader {
  return requestSchemaFault(schema) === undefined
    ? createRequestReader()
    : (text) => ({ text, json: text });
}

function createRequestReader(): BodyReader {
  const paths = createPathSet();
  const json = paths.add(["body"]);
  const text = paths.add(["body_text"]);
  const base64 = paths.add(["body_base64"]);
  const type = paths.add(["content_type"]);
  const stringAt = (value: string | undefined) =>
    value === undefined || value === "null" ? undefined : (JSON.parse(value) as string);
  return (record) => {
    const found = paths.find(record);
    const body = found[json];
    if (body !== undefined) return { text: body, json: body };
    const other = stringAt(found[text]);
    if (other !== undefined) {
      const isForm = FORM.test(stringAt(found[type]) ?? "");
      return { text: other, json: isForm ? JSON.stringify(parseForm(other)) : undefined };
    }
    const bytes = stringAt(found[base64]);
    return { text: bytes ? Buffer.from(bytes, "base64").toString() : "", json: undefined };
  };
}
