/**
 * Turns records into the parameters of one INSERT … SELECT … FROM unnest: for each column one text[]
 * literal (Postgres manual, 8.15.2). Numbers are passed on as the text they were pushed as, so no
 * digit is lost. What Postgres cannot hold is found here where that is cheap, and by Postgres otherwise.
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

/** Encoded rows: `elements[c][n]` is column c of row `indexes[n]`, as an element of an array literal. */
export interface EncodedRows {
  readonly indexes: readonly number[];
  readonly elements: readonly (readonly string[])[];
  readonly bad: readonly BadRow[];
  /** Where the part of each statement ends, as an index of `indexes`: about 1 MiB each, at least one. */
  readonly ends: readonly number[];
}

/** Rows and bytes after which encoding yields. */
const SLICE_ROWS = 1000;
const SLICE_BYTES = 128 * 1024;
/** Characters that one statement carries, unless a single row has more. */
const STATEMENT_SIZE = 1024 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const CONTROL = /[\u0000-\u001f]/;
const NUL_ESCAPE = /(?<!\\)(?:\\\\)*\\u0000/;

/** Encodes all rows; yields in between, so that pushes in the same process do not wait. */
export async function encodeRows(
  columns: readonly Column[],
  rows: readonly SinkRow[],
): Promise<EncodedRows> {
  const fields = new Map<string, number>();
  columns.forEach((column, c) => {
    if (column.source === "field") fields.set(column.name, c);
  });
  const indexes: number[] = [];
  const elements: string[][] = columns.map(() => []);
  const bad: BadRow[] = [];
  const ends: number[] = [];
  let [size, bytes] = [0, 0];
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]!;
    if (bytes > SLICE_BYTES || index % SLICE_ROWS === SLICE_ROWS - 1) {
      await nextTurn();
      bytes = 0;
    }
    bytes += row.json.length;
    const values = encodeRow(columns, fields, row);
    if (typeof values === "string") {
      bad.push({ index, reason: "VALUE_REFUSED", why: values });
      continue;
    }
    if (size > 0 && size + row.json.length > STATEMENT_SIZE) {
      ends.push(indexes.length);
      size = 0;
    }
    size += row.json.length;
    indexes.push(index);
    for (let c = 0; c < values.length; c += 1) elements[c]!.push(values[c]!);
  }
  return { indexes, elements, bad, ends: [...ends, indexes.length] };
}

/** Array literals, one a column, of the rows from `from` to before `to`. */
export function arrayLiterals(rows: EncodedRows, from: number, to: number): string[] {
  return rows.elements.map((column) => `{${column.slice(from, to).join(",")}}`);
}

/** The elements of one row, or why it cannot be stored. */
function encodeRow(
  columns: readonly Column[],
  fields: ReadonlyMap<string, number>,
  row: SinkRow,
): string[] | string {
  const values: string[] = new Array(columns.length).fill("NULL");
  let fault: string | undefined;
  forEachMember(
    Buffer.from(row.json.buffer, row.json.byteOffset, row.json.length).toString(),
    (name, json) => {
      const c = fields.get(name);
      if (c === undefined) return;
      const element = encodeValue(columns[c]!, json);
      if (element === undefined) {
        fault ??= `${name} holds \\u0000 or half a surrogate pair, which Postgres cannot store`;
      } else values[c] = element;
    },
  );
  for (let c = 0; c < columns.length; c += 1) {
    const { source } = columns[c]!;
    if (source === "field") continue;
    values[c] =
      source === "record_id"
        ? row.recordId
        : source === "arrival_time"
          ? String(row.arrivalTimeUs)
          : quoteElement(row.producerId);
  }
  return fault ?? values;
}

/** JSON text of a value as an array element; undefined when Postgres has no way to hold it. */
function encodeValue(column: Column, json: string): string | undefined {
  if (json === "null") {
    return column.type === Field_Type.JSON && !column.isNullable ? '"null"' : "NULL";
  }
  switch (column.type) {
    case Field_Type.LONG:
      return /[.eE]/.test(json) ? wholeNumber(json) : json;
    case Field_Type.DOUBLE:
      return json.length > 24 || /[eE]/.test(json) ? doubleText(json) : json;
    case Field_Type.BOOLEAN:
      return json;
    case Field_Type.STRING:
    case Field_Type.DECIMAL:
    case Field_Type.TIMESTAMP:
    case Field_Type.DATE:
    case Field_Type.BINARY:
      return json.charCodeAt(0) === 0x22 ? encodeString(json) : quoteElement(json);
    default:
      // Line breaks can stand only between the tokens of JSON text, where jsonb forgets them.
      return NUL_ESCAPE.test(json) ? undefined : quoteElement(json.replace(/[\n\r\t]/g, " "));
  }
}

/** A JSON string as an element: without escapes the two literals are the same text. */
function encodeString(json: string): string | undefined {
  if (!json.includes("\\")) return json;
  const text = JSON.parse(json) as string;
  return text.includes("\u0000") || !text.isWellFormed() ? undefined : quoteElement(text);
}

/** An element in quotes. JSON quotes alike where no control character stands, and ten times as fast. */
function quoteElement(text: string): string {
  return CONTROL.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : JSON.stringify(text);
}

/** `1.50e2` as `150`; whatever is no whole number of a plausible size goes on for Postgres to refuse. */
function wholeNumber(json: string): string {
  const canonical = canonicalDecimal(json);
  const at = canonical.indexOf("e");
  if (at < 0) return canonical;
  const zeros = Number(canonical.slice(at + 1));
  return zeros >= 0 && zeros < 20 ? canonical.slice(0, at) + "0".repeat(zeros) : quoteElement(json);
}

/** The shortest text of the same double: Postgres refuses what underflows, JSON readers give zero. */
function doubleText(json: string): string {
  const value = Number(json);
  return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? String(value) : json;
}
