/** Staged rows of delivery in the form that SinkService answers with. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type StagedChunkInfo,
  StagedChunkInfoSchema,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import type { StagedRows } from "../catalog/sink-catalog.ts";
import { fail } from "../core/errors.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Place } from "../sinks/sink.ts";
import type { StagedChunk } from "../sinks/staging.ts";

/** Bytes of one page of CSV, not counting its last chunk, which has at most 960 KiB. */
const CSV_BYTES = 1024 * 1024;
const CSV_CHUNKS_MAX = 1_000;

/** Adds page tokens, header lines and times. */
export function createStagedView(staged: Delivery["staged"]): StagedRows {
  return {
    async list(sink, pageSize, pageToken) {
      const { after } = openToken(sink.uid, pageToken);
      const range = { afterSequence: after, maxChunks: pageSize + 1 };
      const { chunks, keptMs } = await staged.chunks(sink, range);
      const shown = chunks.slice(0, pageSize);
      const last = chunks.length > shown.length ? shown.at(-1) : undefined;
      return {
        stagedChunks: shown.map((chunk) => describe(chunk, keptMs)),
        nextPageToken: last ? sealToken(sink.uid, last.sequence, "") : "",
      };
    },
    async read(sink, pageToken) {
      const { after, names } = openToken(sink.uid, pageToken);
      const range = { afterSequence: after, maxChunks: CSV_CHUNKS_MAX, maxBytes: CSV_BYTES };
      const { chunks } = await staged.chunks(sink, range);
      const page = joinChunks(chunks, names);
      const rows = chunks.reduce((sum, chunk) => sum + chunk.places.length, 0);
      const afterSequence = chunks.at(-1)?.sequence ?? after;
      const more = await staged.chunks(sink, { afterSequence, maxChunks: 1, maxBytes: 1 });
      const isEnd = more.chunks.length === 0;
      const nextPageToken = isEnd ? "" : sealToken(sink.uid, afterSequence, page.names);
      return { csv: page.csv, rows, nextPageToken };
    },
    flush: staged.flush,
  };
}

/** The chunks, each with its line of column names where those before it have others; `names` is its hash. */
function joinChunks(
  chunks: readonly StagedChunk[],
  before: string,
): { readonly csv: Uint8Array; readonly names: string } {
  const parts: Uint8Array[] = [];
  let names = before;
  for (const { columns, csv } of chunks) {
    const line = `${columns.map(({ name }) => quoteName(name)).join(",")}\r\n`;
    const hash = createHash("sha256").update(line).digest("base64url");
    if (hash !== names) parts.push(Buffer.from(line));
    names = hash;
    parts.push(csv);
  }
  return { csv: Buffer.concat(parts), names };
}

function quoteName(name: string): string {
  return name === "" || /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

function describe(chunk: StagedChunk, keptMs: number): StagedChunkInfo {
  const { sequence, places, timeMs, sinkVersion } = chunk;
  return create(StagedChunkInfoSchema, {
    sequence: BigInt(sequence),
    rows: places.length,
    bytes: BigInt(chunk.csv.byteLength),
    createTime: timestampFromMs(timeMs),
    expireTime: timestampFromMs(timeMs + keptMs),
    sinkVersion: BigInt(sinkVersion),
    firstPlace: placeText(places[0]),
    lastPlace: placeText(places.at(-1)),
  });
}

function placeText(place: Place | undefined): string {
  return place ? `${place.sequence}-${place.index}` : "";
}

function sealToken(sinkUid: string, after: number, names: string): string {
  return Buffer.from(JSON.stringify([sinkUid, after, names])).toString("base64url");
}

function openToken(
  sinkUid: string,
  token: string,
): { readonly after: number; readonly names: string } {
  if (token === "") return { after: 0, names: "" };
  const [uid, after, names] = parse(Buffer.from(token, "base64url").toString());
  if (uid === sinkUid && Number.isSafeInteger(after) && typeof names === "string") {
    return { after: Number(after), names };
  }
  throw fail("PAGE_TOKEN_INVALID", "page_token is not from the previous answer to this request");
}

function parse(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
