/** Rows as the bytes of an object. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip, zstdCompress } from "node:zlib";
import {
  type S3Sink,
  S3Sink_Compression,
  S3Sink_Format,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { forEachMember } from "../../core/json-members.ts";
import { columnsOf } from "../parquet/column.ts";
import type { ParquetCodec, RefusedRow } from "../parquet/job.ts";
import { encodeParquet } from "../parquet/thread.ts";
import type { SinkRow } from "../sink.ts";
import { formatCsvLine } from "./csv.ts";

const [gzipAsync, zstdAsync] = [promisify(gzip), promisify(zstdCompress)];
const NEWLINE = Buffer.from("\n");
/** Lines after which others get a turn. */
const SLICE_ROWS = 500;
const GROUP_ROWS = 50_000;

/** An object's bytes, and the rows that could not be among them. */
export interface EncodedObject {
  readonly body: Buffer;
  readonly refused: readonly RefusedRow[];
}

/** Makes objects of rows; the same rows make the same bytes. */
export interface ObjectFormat {
  encode(rows: readonly SinkRow[], signal: AbortSignal): Promise<EncodedObject>;
  readonly contentType: string;
}

/** The format of a sink for rows of a schema. */
export function objectFormatOf(config: S3Sink, schema: Schema): ObjectFormat {
  if (config.format === S3Sink_Format.PARQUET) return parquetFormat(config, schema);
  if (config.format === S3Sink_Format.CSV) return csvFormat(config, schema);
  return {
    encode: (rows) => encodeLines(config, [], { rows, lineOf: ndjsonLine }),
    contentType: "application/x-ndjson",
  };
}

function csvFormat(config: S3Sink, schema: Schema): ObjectFormat {
  const names = schema.fields.map((field) => field.name);
  const head = [Buffer.from(formatCsvLine(names))];
  const lineOf = (json: Uint8Array) => {
    const row = new Map<string, string>();
    forEachMember(Buffer.from(json).toString("utf8"), (name, value) => row.set(name, value));
    return Buffer.from(formatCsvLine(names.map((name) => textOf(row.get(name)))));
  };
  return {
    encode: (rows) => encodeLines(config, head, { rows, lineOf }),
    contentType: "text/csv; charset=utf-8",
  };
}

async function encodeLines(
  config: S3Sink,
  head: readonly Uint8Array[],
  { rows, lineOf }: { rows: readonly SinkRow[]; lineOf: (json: Uint8Array) => Uint8Array },
): Promise<EncodedObject> {
  const lines: Uint8Array[] = [...head];
  for (let i = 0; i < rows.length; i++) {
    if (i > 0 && i % SLICE_ROWS === 0) await nextTurn();
    lines.push(lineOf(rows[i]!.json));
  }
  return { body: await compress(config, Buffer.concat(lines)), refused: [] };
}

const CODECS: Readonly<Record<S3Sink_Compression, ParquetCodec>> = {
  [S3Sink_Compression.COMPRESSION_UNSPECIFIED]: "SNAPPY",
  [S3Sink_Compression.NONE]: "UNCOMPRESSED",
  [S3Sink_Compression.GZIP]: "GZIP",
  [S3Sink_Compression.ZSTD]: "ZSTD",
};

function parquetFormat({ compression }: S3Sink, schema: Schema): ObjectFormat {
  const columns = columnsOf(schema);
  return {
    async encode(rows, signal) {
      let end = 0;
      const ends = rows.map(({ json }) => {
        end += json.length;
        return end;
      });
      const groups: number[] = [];
      for (let first = 0; first < rows.length; first += GROUP_ROWS) {
        groups.push(Math.min(GROUP_ROWS, rows.length - first));
      }
      const text = Buffer.concat(rows.map(({ json }) => json));
      const codec = CODECS[compression];
      const job = { columns, text, ends, groups, codec, given: {}, metadata: {}, isLenient: false };
      const { bytes, refused } = await encodeParquet(job, signal);
      return { body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), refused };
    },
    contentType: "application/vnd.apache.parquet",
  };
}

/** JSON text without line breaks: those may stand only between its tokens (RFC 8259, section 7). */
function ndjsonLine(json: Uint8Array): Uint8Array {
  const line =
    json.includes(0x0a) || json.includes(0x0d)
      ? Buffer.from(json).map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte))
      : json;
  return Buffer.concat([line, NEWLINE]);
}

/** A value, as it is written in JSON, as text of a column: nothing for null; lists and objects stay JSON. */
function textOf(written: string | undefined): string | undefined {
  if (written === undefined || written === "null") return undefined;
  return written.startsWith('"') ? (JSON.parse(written) as string) : written;
}

async function compress({ compression }: S3Sink, bytes: Buffer): Promise<Buffer> {
  if (compression === S3Sink_Compression.GZIP) return await gzipAsync(bytes);
  if (compression === S3Sink_Compression.ZSTD) return await zstdAsync(bytes);
  return bytes;
}
