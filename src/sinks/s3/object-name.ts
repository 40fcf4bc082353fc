/** Names of objects: made of the rows alone, so the same rows put again replace their object. */
import { createHash } from "node:crypto";
import {
  type S3Sink,
  S3Sink_Compression,
  S3Sink_Format,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { Place } from "../sink.ts";

const DEFAULT_TEMPLATE = "{year}/{month}/{day}/{hour}/";
const VARIABLES = ["year", "month", "day", "hour", "partition"] as const;

type Variable = (typeof VARIABLES)[number];

/** What is wrong with a template, or undefined. */
export function templateFault(template: string): string | undefined {
  const names = [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1]!);
  const unknown = names.find((name) => !VARIABLES.some((variable) => variable === name));
  if (unknown !== undefined) return `names {${unknown}}: there are {${VARIABLES.join("}, {")}}`;
  const plain = template.replace(/\{\w+\}/g, "x");
  if (!/^[\w!.*'()/=+-]*$/.test(plain)) return "may hold letters, digits and / ! - _ . * ' ( ) = +";
  if (plain.startsWith("/") || plain.split("/").some((part) => part === "." || part === "..")) {
    return "must not begin with / or hold the parts . and ..";
  }
  return undefined;
}

/** What an object holds. */
export interface ObjectContent {
  /** Of the sink, generation and partition. */
  readonly prefix: string;
  readonly partition: number;
  /** Arrival of its first row. */
  readonly arrivalTimeUs: number;
  readonly places: readonly Place[];
}

/** The name of an object in its bucket. */
export function objectName(config: S3Sink, content: ObjectContent): string {
  const time = new Date(content.arrivalTimeUs / 1000).toISOString();
  const values: Record<Variable, string> = {
    year: time.slice(0, 4),
    month: time.slice(5, 7),
    day: time.slice(8, 10),
    hour: time.slice(11, 13),
    partition: `${content.partition}`,
  };
  const template = config.keyTemplate || DEFAULT_TEMPLATE;
  const folder = template.replace(/\{(\w+)\}/g, (_, name: Variable) => values[name]);
  const texts = content.places.map((place) => `${place.sequence}.${place.index}`);
  const digest = createHash("sha256").update(texts.join(",")).digest("hex").slice(0, 12);
  return `${folder}${content.prefix}-${texts[0]}-${texts.at(-1)}-${digest}.${extensionOf(config)}`;
}

function extensionOf({ format, compression }: S3Sink): string {
  const form = format === S3Sink_Format.CSV ? "csv" : "ndjson";
  if (compression === S3Sink_Compression.GZIP) return `${form}.gz`;
  return compression === S3Sink_Compression.ZSTD ? `${form}.zst` : form;
}
