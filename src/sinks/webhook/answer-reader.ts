/** Reads one HTTP/1.1 answer from pieces of any size. */
import { AnswerFault, type AnswerHead, readAnswerHead } from "./answer-head.ts";

/** A longer body is no longer kept, and of no use: its owner cuts it off. */
export const BODY_BYTES_MAX = 64 * 1024;
/** Longest line of a chunked body that is waited for, and all lines behind its last chunk. */
const LINE_BYTES_MAX = 4096;
/** Answers before the one that counts (100, 103). */
const INTERIM_MAX = 8;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

/** The reader of one answer. What it is pushed may be overwritten afterwards. */
export class AnswerReader {
  /** The head; undefined until all of it came. */
  head: AnswerHead | undefined;
  /** Whether all of it came. */
  isDone = false;
  /** Whether more came than the answer: the connection cannot be used again. */
  hasMore = false;
  /** Bytes of the body that came. */
  bodyBytes = 0;
  readonly #keepsBody: (status: number) => boolean;
  #isKeeping = false;
  #interim = 0;
  readonly #body: Buffer[] = [];
  #rest: Buffer | undefined;
  /** Bytes that the body, or the chunk, still has. */
  #left = 0;
  /** What the next line of a chunked body is. */
  #line: "size" | "end" | "trailer" = "size";
  #trailerBytes = 0;

  /** `keepsBody` says whether the body of an answer is wanted. */
  constructor(keepsBody: (status: number) => boolean) {
    this.#keepsBody = keepsBody;
  }

  /** Whether anything came. */
  get hasBegun(): boolean {
    return this.head !== undefined || this.#rest !== undefined || this.#interim > 0;
  }

  /** What came of the body, if it is wanted. */
  get body(): Buffer {
    return Buffer.concat(this.#body);
  }

  /** Takes bytes. Throws AnswerFault for what is no answer. */
  push(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (!this.head) {
      const head = readAnswerHead(bytes);
      if (!head) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      bytes = bytes.subarray(head.bytes);
      this.#begin(head);
    }
    const { body } = this.head;
    if (body === "chunked") this.#pushChunked(bytes);
    else if (body === "close") this.#keep(bytes);
    else this.#pushCounted(bytes);
  }

  /** The connection ended; gives whether that is where the answer ends. */
  end(): boolean {
    if (this.head?.body === "close") this.isDone = true;
    return this.isDone;
  }

  #begin(head: AnswerHead): void {
    const { status, body } = head;
    if (status < 200 && status !== 101) {
      this.#interim += 1;
      if (this.#interim > INTERIM_MAX) throw new AnswerFault("HPE_INVALID_STATUS");
      return;
    }
    this.head = head;
    this.#isKeeping = this.#keepsBody(status);
    if (typeof body === "number") this.#left = body;
  }

  #pushCounted(bytes: Buffer): void {
    const taken = Math.min(this.#left, bytes.length);
    this.#keep(bytes.subarray(0, taken));
    this.#left -= taken;
    this.isDone = this.#left === 0;
    if (taken < bytes.length) this.hasMore = true;
  }

  #pushChunked(bytes: Buffer): void {
    let at = 0;
    while (!this.isDone) {
      const taken = Math.min(this.#left, bytes.length - at);
      this.#keep(bytes.subarray(at, at + taken));
      this.#left -= taken;
      at += taken;
      if (this.#left > 0) return;
      const end = bytes.indexOf("\r\n", at, "latin1");
      if ((end < 0 ? bytes.length : end) - at > LINE_BYTES_MAX) {
        throw new AnswerFault("HPE_CHUNK_EXTENSIONS_OVERFLOW");
      }
      if (end < 0) {
        if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
        return;
      }
      this.#pushLine(bytes.toString("latin1", at, end));
      at = end + 2;
    }
    if (at < bytes.length) this.hasMore = true;
  }

  #pushLine(line: string): void {
    if (this.#line === "trailer") {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > LINE_BYTES_MAX) throw new AnswerFault("HPE_HEADER_OVERFLOW");
      this.isDone = line === "";
      return;
    }
    if (this.#line === "end") {
      if (line !== "") throw new AnswerFault("HPE_STRICT");
      this.#line = "size";
      return;
    }
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw new AnswerFault("HPE_INVALID_CHUNK_SIZE");
    this.#left = Number.parseInt(size, 16);
    this.#line = this.#left === 0 ? "trailer" : "end";
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.bodyBytes += bytes.length;
    if (this.#isKeeping && this.bodyBytes <= BODY_BYTES_MAX) this.#body.push(Buffer.from(bytes));
  }
}
