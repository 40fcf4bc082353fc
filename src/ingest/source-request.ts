/** What the head of a request to `/in/…` says. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { fail } from "../core/errors.ts";
import type { WholeRequest } from "../core/whole-message.ts";

/** The address of a source in a request. */
export interface SourceTarget {
  /** Path without the query. */
  readonly path: string;
  readonly query: string;
  readonly publicId: string;
  readonly secret: string | undefined;
}

const PREFIX = "/in/";
const PATH = /^\/in\/([A-Za-z0-9][A-Za-z0-9_-]{3,63})(?:\/([A-Za-z0-9_-]{1,128}))?$/;

/** Whether a request is for a source, rightly or wrongly written. */
export function isSourceRequest(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): boolean {
  return (request.url ?? "").startsWith(PREFIX);
}

/** The target; undefined when no source can have such an address. */
export function targetOf(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): SourceTarget | undefined {
  const target = request.url ?? "";
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const match = PATH.exec(path);
  if (!match) return undefined;
  const query = mark < 0 ? "" : target.slice(mark + 1);
  return { path, query, publicId: match[1]!, secret: match[2] };
}

const JSON_TYPES = /^(?:application|text)\/(?:[a-z0-9.-]+\+)?(?:json|x-ndjson|ndjson|jsonl)$/;
/** Types that senders give to JSON because they were not told otherwise. */
const UNTOLD = [
  "",
  "application/x-www-form-urlencoded",
  "text/plain",
  "application/octet-stream",
  "binary/octet-stream",
];

/** Refuses content types that say that the body is no JSON. Fails with CONTENT_TYPE_UNSUPPORTED. */
export function checkContentType(header: string | undefined): void {
  if (header === undefined || header === "application/json") return;
  const [name = "", ...parameters] = header.split(";");
  const type = name.trim().toLowerCase();
  const charset = parameters
    .map((text) => /^\s*charset\s*=\s*"?([^"]*)"?\s*$/i.exec(text)?.[1])
    .find((text) => text !== undefined);
  const isUtf8 = charset === undefined || /^(?:utf-?8|us-ascii)$/i.test(charset);
  if ((JSON_TYPES.test(type) || UNTOLD.includes(type)) && isUtf8) return;
  const what = isUtf8 ? type.slice(0, 80) : `charset ${charset.slice(0, 40)}`;
  const text = `${what} is not taken here: JSON in UTF-8 is the only format, send application/json`;
  throw fail("CONTENT_TYPE_UNSUPPORTED", text);
}
