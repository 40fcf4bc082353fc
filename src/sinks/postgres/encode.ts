/**
 * Turns records into lines of COPY's text format (Postgres manual, COPY, "Text Format"). Numbers are
 * passed on as the text they were pushed as, so no digit is lost. What Postgres cannot hold is found here
 * where that is cheap, and by Postgres otherwise.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal } from "../../core/decimal.ts";
import { forEachMember } from "../../core/json-members.ts";
import type { SinkRow } from "../sink.ts";
import type { Column } from "./columns.ts";

/** A row that cannot be stored. */
export interface BadRow {
  /** Index within the request. */
  readonly index: number;
  readonly reason: string;
  readonly why: string;
}

/** Which rows were sent, in order, and which cannot be stored. */
export interface EncodedRows {
  readonly good: readonly number[];
  readonly bad: readonly BadRow[];
}

/** What is encoded, and for which columns. */
export interface EncodeJob {
  readonly columns: readonly Column[];
  readonly rows: readonly SinkRow[];
  /** Whether each line begins with the number of its row. */
  readonly isNumbered: boolean;
}

/** Rows and bytes after which encoding sends what it has, and yields. */
const SLICE_ROWS = 1000;
const SLICE_BYTES = 128 * 1024;
const NULL = "\\N";
const NUL_ESCAPE = /(?<!\\)(?:\\\\)*\\u0000/;
const MICROSECONDS = 1_000_000;

/** Encodes all rows; yields in between, so that pushes in the same process do not wait. */
export async function encodeRows(
  { columns, rows, isNumbered }: EncodeJob,
  send: (chunk: Buffer) => void,
): Promise<EncodedRows> {
  const good: number[] = [];
  const bad: BadRow[] = [];
  const encodeRow = createRowEncoder(columns);
  let [text, count, bytes] = ["", 0, 0];
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]!;
    if (bytes > SLICE_BYTES || count === SLICE_ROWS) {
      if (text !== "") send(Buffer.from(text));
      await nextTurn();
      [text, count, bytes] = ["", 0, 0];
    }
    bytes += row.json.length;
    count += 1;
    const { line, fault } = encodeRow(row);
    if (fault !== undefined) {
      bad.push({ index, reason: "VALUE_REFUSED", why: fault });
      continue;
    }
    good.push(index);
    // Parts stay apart until the slice is sent, which makes one copy of them all.
    text += isNumbered ? `${index}\t${line}` : line;
  }
  if (text !== "") send(Buffer.from(text));
  return { good, bad };
}

type RowEncoder = (row: SinkRow) => { readonly line: string; readonly fault: string | undefined };

/** Encodes one row at a time; its state is made once for all. */
function createRowEncoder(columns: readonly Column[]): RowEncoder {
  const fields = new Map<string, number>();
  const facts: number[] = [];
  columns.forEach((column, c) => {
    if (column.source === "field") fields.set(column.name, c);
    else facts.push(c);
  });
  const values: string[] = new Array(columns.length).fill(NULL);
  let fault: string | undefined;
  let next = 0;
  const visit = (name: string, json: string) => {
    // Members mostly come in the order of the columns, and to compare is faster than to look up.
    const c = columns[next]?.name === name ? next : fields.get(name);
    if (c === undefined) return;
    next = c + 1;
    const value = encodeValue(columns[c]!, json);
    if (value === undefined) {
      fault ??= `${name} holds \\u0000 or half a surrogate pair, which Postgres cannot store`;
    } else values[c] = value;
  };
  return (row) => {
    for (let c = 0; c < values.length; c += 1) values[c] = NULL;
    fault = undefined;
    next = 0;
    const { buffer, byteOffset, length } = row.json;
    forEachMember(Buffer.from(buffer, byteOffset, length).toString(), visit);
    for (const c of facts) values[c] = encodeFact(columns[c]!, row);
    let line = values[0] ?? "";
    for (let c = 1; c < values.length; c += 1) line += `\t${values[c]}`;
    return { line: `${line}\n`, fault };
  };
}

function encodeFact({ source }: Column, row: SinkRow): string {
  if (source === "record_id") return row.recordId;
  if (source === "producer_id") return escapeText(row.producerId);
  const us = row.arrivalTimeUs;
  const seconds = new Date(Math.floor(us / MICROSECONDS) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(us % MICROSECONDS).padStart(6, "0")}Z`;
}

/** JSON text of a value as COPY reads it; undefined when Postgres has no way to hold it. */
function encodeValue(column: Column, json: string): string | undefined {
  if (json === "null") {
    return column.type === Field_Type.JSON && !column.isNullable ? "null" : NULL;
  }
  switch (column.type) {
    case Field_Type.LONG:
      return /[.eE]/.test(json) ? wholeNumber(json) : json;
    case Field_Type.DOUBLE:
      return json.length > 24 || /[eE]/.test(json) ? doubleText(json) : json;
    case Field_Type.BOOLEAN:
      return json;
    case Field_Type.BINARY:
      return `\\\\x${Buffer.from(json.slice(1, -1).replaceAll("\\/", "/"), "base64").toString("hex")}`;
    case Field_Type.STRING:
    case Field_Type.DECIMAL:
    case Field_Type.TIMESTAMP:
    case Field_Type.DATE:
      return json.charCodeAt(0) === 0x22 ? encodeString(json) : json;
    default:
      // Line breaks can stand only between the tokens of JSON text, where jsonb forgets them.
      return NUL_ESCAPE.test(json)
        ? undefined
        : json.replace(/[\n\r\t]/g, " ").replaceAll("\\", "\\\\");
  }
}

/**
 * A JSON string: what stands between its quotes means the same to COPY, where a backslash before any
 * other character than b, f, n, r, t, v, x, a digit or N stands for that character, but for \u.
 */
function encodeString(json: string): string | undefined {
  if (!json.includes("\\u")) return json.slice(1, -1);
  const text = JSON.parse(json) as string;
  return text.includes("\u0000") || !text.isWellFormed() ? undefined : escapeText(text);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeText(text: string): string {
  return /[\\\n\r\t]/.test(text) ? text.replace(/[\\\n\r\t]/g, (c) => ESCAPES[c]!) : text;
}

/** `1.50e2` as `150`; whatever is no whole number of a plausible size goes on for Postgres to refuse. */
function wholeNumber(json: string): string {
  const canonical = canonicalDecimal(json);
  const at = canonical.indexOf("e");
  if (at < 0) return canonical;
  const zeros = Number(canonical.slice(at + 1));
  return zeros >= 0 && zeros < 20 ? canonical.slice(0, at) + "0".repeat(zeros) : json;
}

/** The shortest text of the same double: Postgres refuses what underflows, JSON readers give zero. */
function doubleText(json: string): string {
  const value = Number(json);
  return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? String(value) : json;
}
