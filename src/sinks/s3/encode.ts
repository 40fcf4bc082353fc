/** Rows as lines of an object, and the whole compressed. */
import { promisify } from "node:util";
import { gzip, zstdCompress } from "node:zlib";
import {
  type S3Sink,
  S3Sink_Compression,
  S3Sink_Format,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { forEachMember } from "../../core/json-members.ts";
import { formatCsvLine } from "./csv.ts";

const [gzipAsync, zstdAsync] = [promisify(gzip), promisify(zstdCompress)];
const NEWLINE = Buffer.from("\n");

/** Makes the lines of an object. */
export interface LineFormat {
  /** What an object begins with. */
  readonly head: Uint8Array;
  /** One row with its line break. */
  line(json: Uint8Array): Uint8Array;
  readonly contentType: string;
}

/** The format of a sink for rows of a schema. */
export function lineFormatOf({ format }: S3Sink, schema: Schema): LineFormat {
  if (format !== S3Sink_Format.CSV) {
    const line = (json: Uint8Array) => Buffer.concat([oneLine(json), NEWLINE]);
    return { head: Buffer.alloc(0), line, contentType: "application/x-ndjson" };
  }
  const names = schema.fields.map((field) => field.name);
  return {
    head: Buffer.from(formatCsvLine(names)),
    line(json) {
      const row = new Map<string, string>();
      forEachMember(Buffer.from(json).toString("utf8"), (name, value) => row.set(name, value));
      return Buffer.from(formatCsvLine(names.map((name) => textOf(row.get(name)))));
    },
    contentType: "text/csv; charset=utf-8",
  };
}

/** JSON text without line breaks: those may stand only between its tokens (RFC 8259, section 7). */
function oneLine(json: Uint8Array): Uint8Array {
  return json.includes(0x0a) || json.includes(0x0d)
    ? Buffer.from(json).map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte))
    : json;
}

/** A value, as it is written in JSON, as text of a column: nothing for null; lists and objects stay JSON. */
function textOf(written: string | undefined): string | undefined {
  if (written === undefined || written === "null") return undefined;
  return written.startsWith('"') ? (JSON.parse(written) as string) : written;
}

/** The bytes of a whole object. */
export async function compress({ compression }: S3Sink, bytes: Buffer): Promise<Buffer> {
  if (compression === S3Sink_Compression.GZIP) return await gzipAsync(bytes);
  if (compression === S3Sink_Compression.ZSTD) return await zstdAsync(bytes);
  return bytes;
}
