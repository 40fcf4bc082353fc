/** Names of objects: made of the rows alone, so the same rows put again replace their object. */
import { createHash } from "node:crypto";
import {
  type S3Sink,
  S3Sink_Compression,
  S3Sink_Format,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { forEachMember } from "../../core/json-members.ts";
import type { SinkRequest, SinkRow } from "../sink.ts";

const DEFAULT_TEMPLATE = "{year}/{month}/{day}/{hour}/";
const VARIABLES = ["year", "month", "day", "hour", "partition"] as const;
const COMPOSITE = [Field_Type.ARRAY, Field_Type.MAP, Field_Type.STRUCT, Field_Type.JSON];
/** What Hive and Spark take for a missing value. */
const NO_VALUE = "__HIVE_DEFAULT_PARTITION__";
const VALUE_MAX = 128;

/** What is wrong with a template, or undefined. */
export function templateFault(template: string, schema: Schema): string | undefined {
  for (const [, name = ""] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (VARIABLES.some((variable) => variable === name)) continue;
    const field = schema.fields.find((each) => each.name === name);
    if (!field) {
      return `names {${name}}: there are {${VARIABLES.join("}, {")}} and the fields of the records`;
    }
    if (COMPOSITE.includes(field.type)) return `names {${name}}, a list, an object or any JSON`;
  }
  const plain = template.replace(/\{[\w-]+\}/g, "x");
  if (!/^[\w!.*'()/=+-]*$/.test(plain)) return "may hold letters, digits and / ! - _ . * ' ( ) = +";
  if (plain.startsWith("/") || plain.split("/").some((part) => part === "." || part === "..")) {
    return "must not begin with / or hold the parts . and ..";
  }
  return undefined;
}

/** What the name of a row's object begins with. */
export type FolderOf = (row: SinkRow, partition: number) => string;

/** Reads the template of a sink. */
export function folderOf({ keyTemplate }: S3Sink): FolderOf {
  const template = keyTemplate || DEFAULT_TEMPLATE;
  const names = [...template.matchAll(/\{([\w-]+)\}/g)].map((match) => match[1]!);
  const hasFields = names.some((name) => !VARIABLES.some((variable) => variable === name));
  return ({ arrivalTimeUs, json }, partition) => {
    const time = new Date(arrivalTimeUs / 1000).toISOString();
    const values = new Map(hasFields ? fieldValues(json) : []);
    values.set("year", time.slice(0, 4)).set("month", time.slice(5, 7));
    values.set("day", time.slice(8, 10)).set("hour", time.slice(11, 13));
    values.set("partition", `${partition}`);
    return template.replace(/\{([\w-]+)\}/g, (_, name: string) => values.get(name) ?? NO_VALUE);
  };
}

function fieldValues(json: Uint8Array): Map<string, string> {
  const values = new Map<string, string>();
  forEachMember(Buffer.from(json).toString("utf8"), (name, written) => {
    const value = written.startsWith('"') ? (JSON.parse(written) as string) : written;
    if (value !== "" && written !== "null") values.set(name, safePart(value));
  });
  return values;
}

/** A value as a part of a name: what is long is cut, and told apart by a digest. */
function safePart(value: string): string {
  const isDots = value === "." || value === "..";
  const escaped = [...Buffer.from(value)]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      const isSafe = /[A-Za-z0-9_-]/.test(letter) || (letter === "." && !isDots);
      return isSafe ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
  if (escaped.length <= VALUE_MAX) return escaped;
  return `${escaped.slice(0, VALUE_MAX - 17).replace(/%.?$/, "")}-${digestOf(value, 16)}`;
}

/** The part of a name that the rows of one object, or of a whole request, have. */
export function rowsName(sinkUid: string, request: SinkRequest, rows: readonly SinkRow[]): string {
  const { generation, partition, isReplay } = request;
  const texts = rows.map(({ place }) => `${place.sequence}.${place.index}`);
  const digest = digestOf(texts.join(","), 12);
  const where = `g${generation}-${isReplay ? "r" : "p"}${partition}`;
  return `${sinkUid}-${where}-${texts[0]}-${texts.at(-1)}-${digest}`;
}

/** The folder of manifests: behind what all names begin with. */
export function manifestFolder({ keyTemplate }: S3Sink): string {
  const fixed = keyTemplate.split("{")[0]!;
  return `${fixed.slice(0, fixed.lastIndexOf("/") + 1)}_manifests/`;
}

/** The ending of names. */
export function extensionOf({ format, compression }: S3Sink): string {
  if (format === S3Sink_Format.PARQUET) return "parquet";
  const form = format === S3Sink_Format.CSV ? "csv" : "ndjson";
  if (compression === S3Sink_Compression.GZIP) return `${form}.gz`;
  return compression === S3Sink_Compression.ZSTD ? `${form}.zst` : form;
}

function digestOf(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
