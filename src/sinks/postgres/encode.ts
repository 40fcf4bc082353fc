/**
 * Turns records into lines of COPY. What Postgres cannot hold is found here where that is cheap, and by
 * Postgres otherwise.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { forEachMember } from "../../core/json-members.ts";
import type { SinkRow } from "../sink.ts";
import type { Column } from "./columns.ts";
import { type LineFormat, TEXT_LINES } from "./line-format.ts";
import { createPlainLines } from "./plain-lines.ts";

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
/** A slice that is so full goes. */
const SLICE_FULL = 0.9;
/** Of one character in a text. */
const UTF8_BYTES_MAX = 3;
const NO_BYTES = Buffer.alloc(0);
const MICROSECONDS = 1_000_000;

/** Encodes all rows; yields in between, so that pushes in the same process do not wait. */
export async function encodeRows(
  { columns, rows, isNumbered }: EncodeJob,
  send: (chunk: Buffer) => void,
): Promise<EncodedRows> {
  const good: number[] = [];
  const bad: BadRow[] = [];
  const plain = createPlainLines(columns);
  let encodeRow: RowEncoder | undefined;
  let [out, at, count] = [NO_BYTES, 0, 0];
  const flush = () => {
    if (at > 0) send(out.subarray(0, at));
    [out, at, count] = [NO_BYTES, 0, 0];
  };
  const makeRoom = (bytes: number) => {
    if (at + bytes <= out.length) return;
    flush();
    out = Buffer.allocUnsafeSlow(Math.max(bytes, SLICE_BYTES));
  };
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]!;
    if (count === SLICE_ROWS || at > SLICE_BYTES * SLICE_FULL) {
      flush();
      await nextTurn();
    }
    count += 1;
    if (plain) {
      makeRoom(plain.roomOf(row.json.length));
      const end = plain.write(row, out, { at, number: isNumbered ? index : -1 });
      if (end >= 0) {
        good.push(index);
        at = end;
        continue;
      }
    }
    encodeRow ??= createRowEncoder(columns);
    const { line, fault } = encodeRow(row);
    if (fault !== undefined) {
      bad.push({ index, reason: "VALUE_REFUSED", why: fault });
      continue;
    }
    good.push(index);
    const text = isNumbered ? `${index}\t${line}` : line;
    makeRoom(text.length * UTF8_BYTES_MAX);
    at += out.write(text, at);
  }
  flush();
  return { good, bad };
}

/** The line of a row, and why it cannot be stored. */
export type RowEncoder = (row: SinkRow) => {
  readonly line: string;
  readonly fault: string | undefined;
};

/** Encodes one row at a time; its state is made once for all. */
export function createRowEncoder(
  columns: readonly Column[],
  format: LineFormat = TEXT_LINES,
): RowEncoder {
  const fields = new Map<string, number>();
  const facts: number[] = [];
  columns.forEach((column, c) => {
    if (column.source === "field") fields.set(column.name, c);
    else facts.push(c);
  });
  const values: string[] = new Array(columns.length).fill(format.missing);
  let fault: string | undefined;
  let next = 0;
  const visit = (name: string, json: string) => {
    // Members mostly come in the order of the columns, and to compare is faster than to look up.
    const c = columns[next]?.name === name ? next : fields.get(name);
    if (c === undefined) return;
    next = c + 1;
    const value = format.value(columns[c]!, json);
    if (value === undefined) {
      fault ??= `${name} ${format.fault}`;
    } else values[c] = value;
  };
  return (row) => {
    for (let c = 0; c < values.length; c += 1) values[c] = format.missing;
    fault = undefined;
    next = 0;
    const { buffer, byteOffset, length } = row.json;
    forEachMember(Buffer.from(buffer, byteOffset, length).toString(), visit);
    for (const c of facts) values[c] = encodeFact(columns[c]!, row, format);
    let line = values[0] ?? "";
    for (let c = 1; c < values.length; c += 1) line += format.separator + values[c];
    return { line: line + format.end, fault };
  };
}

function encodeFact({ source }: Column, row: SinkRow, format: LineFormat): string {
  if (source === "record_id") return row.recordId;
  if (source === "producer_id") return format.text(row.producerId);
  const us = row.arrivalTimeUs;
  const seconds = new Date(Math.floor(us / MICROSECONDS) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(us % MICROSECONDS).padStart(6, "0")}Z`;
}
