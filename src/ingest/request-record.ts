/** The record that a source of mode REQUEST makes of a whole request. */
import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import { fail } from "../core/errors.ts";
import { JsonFault } from "../core/json-fault.ts";
import { findScalar } from "../core/json-find.ts";
import type { JsonPath } from "../core/json-path.ts";
import { peekSpaced, scanValue } from "../core/json-scan.ts";
import type { BlockHeader } from "../core/record-block.ts";
import type { RecordSet } from "./record-set.ts";

/** A request. */
export interface RequestFacts {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly address: string;
  readonly timeMs: number;
  readonly contentType: string;
  /** Without credentials. */
  readonly headers: readonly BlockHeader[];
}

/** Room that a message has for a record with its headers. */
const RECORD_BYTES_MAX = 960 * 1024;
const ID_BYTES_MAX = 256;
/** Level of the body within the record. */
const BODY_DEPTH = 2;

/** Headers that belong to the connection, not to the request. */
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"];

/**
 * Headers to keep, in the order of the request: none that carries credentials (Authorization, Cookie and
 * the source's own) or belongs to the connection alone.
 */
export function keptHeaders(
  headers: IncomingHttpHeaders,
  credentials: readonly string[],
): BlockHeader[] {
  const dropped = new Set([
    "authorization",
    "proxy-authorization",
    "cookie",
    ...HOP_BY_HOP,
    ...credentials,
  ]);
  return Object.entries(headers).flatMap(([name, value]) => {
    if (value === undefined || name.startsWith(":") || dropped.has(name)) return [];
    return { name, value: Array.isArray(value) ? value.join(", ") : value };
  });
}

/** The record, not yet checked by the stream's schema. Fails with TOO_LARGE only. */
export function readRequest(
  facts: RequestFacts,
  body: Uint8Array,
  idPath?: JsonPath | undefined,
): RecordSet {
  const bytes = Buffer.concat([Buffer.from(headText(facts)), ...bodyParts(body), CLOSE]);
  if (bytes.length > RECORD_BYTES_MAX) {
    throw fail("TOO_LARGE", `a request may take ${RECORD_BYTES_MAX} bytes as a record`);
  }
  const id = idPath ? (findScalar(bytes, { start: 0, end: bytes.length }, idPath) ?? "") : "";
  const hasId = id !== "" && Buffer.byteLength(id) <= ID_BYTES_MAX;
  return {
    bytes,
    spans: [0, bytes.length],
    ids: hasId ? [id] : [],
    hashes: [],
    checkedBy: undefined,
    isUtf8: true,
  };
}

const CLOSE = Buffer.from("}");

function headText({ headers, ...facts }: RequestFacts): string {
  const text = JSON.stringify({
    method: facts.method,
    path: facts.path,
    address: facts.address,
    time: new Date(facts.timeMs).toISOString(),
    headers: Object.fromEntries(headers.map(({ name, value }) => [name, value.toWellFormed()])),
    ...(facts.query !== "" && { query: facts.query }),
    ...(facts.contentType !== "" && { content_type: facts.contentType }),
  });
  return text.slice(0, -1);
}

function bodyParts(body: Uint8Array): Uint8Array[] {
  if (body.length === 0) return [];
  const member = (name: string, value: string | Uint8Array) => [
    Buffer.from(`,"${name}":`),
    Buffer.from(value as string),
  ];
  if (!isUtf8(body)) {
    return member("body_base64", JSON.stringify(Buffer.from(body).toString("base64")));
  }
  const json = jsonWithin(body);
  if (json) return member("body", json);
  return member("body_text", JSON.stringify(Buffer.from(body).toString("utf8")));
}

/** The body as it came, where it is one JSON value that the log would take. */
function jsonWithin(body: Uint8Array): Uint8Array | undefined {
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  const scan = { bytes: body, at: hasMark ? 3 : 0, end: body.length };
  try {
    peekSpaced(scan);
    const start = scan.at;
    scanValue(scan, BODY_DEPTH);
    const end = scan.at;
    return peekSpaced(scan) === -1 ? body.subarray(start, end) : undefined;
  } catch (error) {
    if (error instanceof JsonFault) return undefined;
    throw error;
  }
}
