/**
 * Heads of simple HTTP/1.1 requests. What is read here is a strict part of the grammar in which no two
 * readers differ (RFC 9112): one length, no transfer coding, no header twice, no folded line, only
 * printable ASCII. Everything else is left to Node's parser, which judges it.
 */
import type { IncomingHttpHeaders } from "node:http";

/** A head that was read. */
export interface WholeHead {
  /** Its bytes with the empty line, to know it again. */
  readonly bytes: Buffer;
  readonly method: "POST";
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly contentLength: number;
}

/** Bounds of heads that are read here. */
export interface WholeHeadLimits {
  readonly headerPairs: number;
  /** Largest body. */
  readonly bodyBytes: number;
}

/** A longer head is left to Node. */
const HEAD_BYTES_MAX = 8192;
/** "P", the first byte of `POST`. */
const POST = 0x50;

const END = Buffer.from("\r\n\r\n", "latin1");
const PRINTABLE = /^[\t\r\n\x20-\x7e]*$/;
const REQUEST_LINE = /^POST (\/[!-~]*) HTTP\/1\.1$/;
const NAME = /^[A-Za-z0-9-]+$/;
const EDGES = /^[ \t]+|[ \t]+$/g;
const LENGTH = /^\d{1,7}$/;
const HOST = /^[A-Za-z0-9.-]{1,253}(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?$/;
/** Headers that change how a message is read or answered. */
const SPECIAL: ReadonlySet<string> = new Set([
  ...["transfer-encoding", "expect", "upgrade", "te", "trailer", "set-cookie"],
  ...["proxy-connection", "keep-alive", "http2-settings"],
]);

/**
 * Reads the head at the beginning of the bytes; `more` when its end has not arrived, undefined when it
 * is for Node's parser.
 */
export function readWholeHead(
  bytes: Buffer,
  limits: WholeHeadLimits,
): WholeHead | "more" | undefined {
  if (bytes[0] !== POST) return undefined;
  const end = bytes.indexOf(END);
  if (end < 0) return bytes.length < HEAD_BYTES_MAX ? "more" : undefined;
  if (end > HEAD_BYTES_MAX) return undefined;
  const text = bytes.toString("latin1", 0, end);
  if (!PRINTABLE.test(text)) return undefined;
  const lines = text.split("\r\n");
  const url = REQUEST_LINE.exec(lines[0]!)?.[1];
  if (url === undefined || lines.length - 1 > limits.headerPairs) return undefined;
  const headers = readHeaders(lines);
  if (!headers || !isPlain(headers)) return undefined;
  const length = headers["content-length"] ?? "";
  if (!LENGTH.test(length) || Number(length) > limits.bodyBytes) return undefined;
  const head = Buffer.from(bytes.subarray(0, end + END.length));
  return { bytes: head, method: "POST", url, headers, contentLength: Number(length) };
}

/** The headers by name in small letters; undefined when one is odd or came twice. */
function readHeaders(lines: readonly string[]): IncomingHttpHeaders | undefined {
  const headers: Record<string, string> = {};
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    const colon = line.indexOf(":");
    const written = line.slice(0, Math.max(0, colon));
    if (!NAME.test(written) || line.includes("\r") || line.includes("\n")) return undefined;
    const name = written.toLowerCase();
    if (SPECIAL.has(name) || Object.hasOwn(headers, name)) return undefined;
    headers[name] = line.slice(colon + 1).replace(EDGES, "");
  }
  return headers;
}

function isPlain({ host, connection }: IncomingHttpHeaders): boolean {
  const isHostGood = host !== undefined && HOST.test(host) && URL.canParse(`http://${host}`);
  return isHostGood && (connection === undefined || /^keep-alive$/i.test(connection));
}
