/**
 * Heads of HTTP/1.1 answers (RFC 9112), read strictly: what two readers could take differently is a fault,
 * as for Node's own parser, whose words for it are kept.
 */

/** Headers by name in small letters; several of one name are joined, but for `set-cookie`. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Its length with the empty line, in bytes. */
  readonly bytes: number;
  /** Bytes of its body, or how that ends. */
  readonly body: number | "chunked" | "close";
  /** Whether the connection may be used again. */
  readonly isKept: boolean;
  /** How long the server says that it keeps it, in milliseconds. */
  readonly keptMs: number;
}

/** The answer is not HTTP/1.1; `code` says why, in the words of Node's parser. */
export class AnswerFault extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`the answer is not HTTP/1.1: ${code}`);
    this.code = code;
  }
}

/** As Node's own bound. */
const HEAD_BYTES_MAX = 16 * 1024;
const BEGIN = "HTTP/1.";
const END = Buffer.from("\r\n\r\n", "latin1");
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const SPACE_AT_END = /[ \t]+$/;
const LENGTH = /^\d{1,15}$/;

/** Reads the head at the beginning of the bytes; undefined when its end has not arrived. */
export function readAnswerHead(bytes: Buffer): AnswerHead | undefined {
  const begin = bytes.toString("latin1", 0, BEGIN.length);
  if (!BEGIN.startsWith(begin)) throw new AnswerFault("HPE_INVALID_CONSTANT");
  const end = bytes.indexOf(END);
  if (end > HEAD_BYTES_MAX || (end < 0 && bytes.length > HEAD_BYTES_MAX)) {
    throw new AnswerFault("HPE_HEADER_OVERFLOW");
  }
  if (end < 0) return undefined;
  const lines = bytes.toString("latin1", 0, end).split("\r\n");
  const [, minor, code] = STATUS_LINE.exec(lines[0]!) ?? [];
  if (code === undefined) throw new AnswerFault("HPE_INVALID_STATUS");
  const headers = readHeaders(lines);
  const status = Number(code);
  const connection = textOf(headers.connection).toLowerCase();
  return {
    status,
    headers,
    bytes: end + END.length,
    body: bodyOf(status, headers),
    isKept: minor === "1" && !/(?:^|,)[ \t]*close[ \t]*(?:,|$)/.test(connection),
    keptMs: keptMsOf(textOf(headers["keep-alive"])),
  };
}

function readHeaders(lines: readonly string[]): AnswerHeaders {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let i = 1; i < lines.length; i++) {
    const [, written, value = ""] = HEADER.exec(lines[i]!) ?? [];
    if (written === undefined) throw new AnswerFault("HPE_INVALID_HEADER_TOKEN");
    const name = written.toLowerCase();
    const text = value.replace(SPACE_AT_END, "");
    const before = headers[name];
    if (name === "set-cookie") headers[name] = [...(before ?? []), text];
    else headers[name] = before === undefined ? text : `${textOf(before)}, ${text}`;
  }
  return headers;
}

function bodyOf(status: number, headers: AnswerHeaders): AnswerHead["body"] {
  const { "transfer-encoding": coding, "content-length": length } = headers;
  // Two lengths: readers on the way may have taken either.
  if (coding !== undefined && length !== undefined) {
    throw new AnswerFault("HPE_INVALID_TRANSFER_ENCODING");
  }
  if (length !== undefined && !LENGTH.test(textOf(length))) {
    throw new AnswerFault("HPE_INVALID_CONTENT_LENGTH");
  }
  if (status < 200 || status === 204 || status === 304) return 0;
  if (length !== undefined) return Number(length);
  return /(?:^|,)[ \t]*chunked$/i.test(textOf(coding)) ? "chunked" : "close";
}

/** Half a second less than the server says, for the way there. */
function keptMsOf(text: string): number {
  const seconds = /(?:^|,)[ \t]*timeout=(\d{1,6})/i.exec(text)?.[1];
  return seconds === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(0, Number(seconds) * 1000 - 500);
}

function textOf(value: string | readonly string[] | undefined): string {
  return typeof value === "string" ? value : (value ?? []).join(", ");
}
