/** The answer to a whole request, sent in one write. */
import { STATUS_CODES } from "node:http";
import type { WholeResponse } from "../core/whole-message.ts";

/** Where an answer goes. */
export interface AnswerSink {
  /** `head` ends with a line break; the sink adds the headers of the connection and the empty line. */
  send(head: string, body: string | Uint8Array): void;
  destroy(): void;
}

/** See WholeResponse. */
export class WholeAnswer implements WholeResponse {
  statusCode = 200;
  headersSent = false;
  destroyed = false;
  readonly #sink: AnswerSink;
  /** Names and values in turn: a handful, so looking through them is fast. */
  readonly #headers: string[] = [];
  /** The one header that differs in every answer. */
  #requestId: string | undefined;
  #onClose: (() => void) | undefined;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  setHeader(name: string, value: string): this {
    // What is sent says it.
    if (name === "content-length") return this;
    if (name === "x-request-id") {
      this.#requestId = value;
      return this;
    }
    const headers = this.#headers;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] !== name) continue;
      headers[i + 1] = value;
      return this;
    }
    headers.push(name, value);
    return this;
  }

  end(body: string | Uint8Array = ""): this {
    if (this.headersSent || this.destroyed) return this;
    this.headersSent = true;
    let head = headOf(this.statusCode, this.#headers);
    if (this.#requestId !== undefined) head += `x-request-id: ${oneLine(this.#requestId)}\r\n`;
    head += `content-length: ${Buffer.byteLength(body)}\r\n`;
    this.#sink.send(head + dateLine(), body);
    return this;
  }

  once(_event: "close", listener: () => void): this {
    this.#onClose = listener;
    return this;
  }

  off(_event: "close", listener: () => void): this {
    if (this.#onClose === listener) this.#onClose = undefined;
    return this;
  }

  destroy(): this {
    this.#sink.destroy();
    return this;
  }

  /** The connection ended before the answer. */
  callerHasGone(): void {
    this.destroyed = true;
    this.#onClose?.();
  }
}

const ODD = /[^\t\x20-\x7e]/;

/** The value without what could break its line. */
function oneLine(value: string): string {
  return ODD.test(value) ? value.replace(/[^\t\x20-\x7e]/g, "?") : value;
}

/** The last head that was written out: nearly all answers have the same. */
let last = { status: 0, headers: [] as readonly string[], text: "" };

function headOf(status: number, headers: readonly string[]): string {
  if (status === last.status && isSame(headers, last.headers)) return last.text;
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < headers.length; i += 2) {
    text += `${headers[i]}: ${oneLine(headers[i + 1]!)}\r\n`;
  }
  last = { status, headers, text };
  return text;
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

let dateSecond = 0;
let date = "";

function dateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return date;
}
