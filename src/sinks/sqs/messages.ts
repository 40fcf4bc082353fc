/** Rows packed into messages: as many as the queue's limit lets in, in order, one group each. */
import { createHash } from "node:crypto";
import type { SinkRow } from "../sink.ts";

/** Attribute that tells repeats of a message apart from others: 64 characters of hex. */
export const MESSAGE_ID_ATTRIBUTE = "tributary-message-id";
/** What the attribute adds to a message: name, type and value all count. */
export const ATTRIBUTE_BYTES = MESSAGE_ID_ATTRIBUTE.length + "String".length + 64;

/** How messages are made. */
export interface Packing {
  /** Limit of one message in bytes, its attributes included. */
  readonly limit: number;
  readonly isBase64: boolean;
  /** The group of a row in a FIFO queue; undefined for other queues. */
  readonly groupOf: ((row: SinkRow) => string) | undefined;
}

/** A message, before it is made. */
export interface Message {
  /** Indexes of its rows in the request. */
  readonly indexes: readonly number[];
  readonly group: string | undefined;
  /** Bytes that count against the limits. */
  readonly size: number;
}

/** Messages of the rows at `indexes`, and those that fit into none. */
export function packRows(
  rows: readonly SinkRow[],
  indexes: readonly number[],
  { limit, isBase64, groupOf }: Packing,
): { readonly messages: Message[]; readonly tooLarge: number[] } {
  const messages: Message[] = [];
  const tooLarge: number[] = [];
  const open = new Map<string | undefined, { indexes: number[]; bytes: number; at: number }>();
  const sizeOf = (bytes: number) => (isBase64 ? 4 * Math.ceil(bytes / 3) : bytes) + ATTRIBUTE_BYTES;
  for (const index of indexes) {
    const row = rows[index]!;
    const bytes = isBase64 ? row.json.byteLength : plainBytes(row.json);
    if (sizeOf(bytes + 2) > limit) {
      tooLarge.push(index);
      continue;
    }
    const group = groupOf?.(row);
    let last = open.get(group);
    if (!last || sizeOf(last.bytes + 1 + bytes) > limit) {
      last = { indexes: [], bytes: 1, at: messages.length };
      open.set(group, last);
      messages.push({ indexes: last.indexes, group, size: 0 });
    }
    last.indexes.push(index);
    // Two brackets, and a comma between each two.
    last.bytes += bytes + 1;
    messages[last.at] = { ...messages[last.at]!, size: sizeOf(last.bytes) };
  }
  return { messages, tooLarge };
}

/** The body of a message. */
export function bodyOf(rows: readonly SinkRow[], { isBase64 }: Pick<Packing, "isBase64">): string {
  const parts: Uint8Array[] = [Buffer.from("[")];
  rows.forEach((row, index) => {
    if (index > 0) parts.push(Buffer.from(","));
    parts.push(row.json);
  });
  parts.push(Buffer.from("]"));
  const body = Buffer.concat(parts);
  return isBase64 ? body.toString("base64") : plainText(body);
}

/** Names the same rows always the same, whatever request and attempt they are in. */
export function messageId(rows: readonly SinkRow[]): string {
  const hash = createHash("sha256");
  for (const row of rows) hash.update(row.recordId);
  return hash.digest("hex");
}

/** SQS takes the characters of XML 1.0; of those that JSON text may hold, these two are none. */
const NOT_XML = /[\ufffe\uffff]/g;

function plainText(json: Uint8Array): string {
  return Buffer.from(json)
    .toString("utf8")
    .replace(NOT_XML, (character) => (character === "\ufffe" ? "\\ufffe" : "\\uffff"));
}

function plainBytes(json: Uint8Array): number {
  return json.includes(0xef) ? Buffer.byteLength(plainText(json)) : json.byteLength;
}
