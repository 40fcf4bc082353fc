/** One JSON value, as it is written, as the value of a column. */
import { longText } from "../../core/json-number.ts";
import { readDate, readTimestamp } from "../../core/schema-time.ts";
import type { ColumnType } from "./column.ts";

/** A value of a column; null for none. */
export type Cell = string | number | bigint | boolean | Uint8Array | null;

/** Why a value cannot stand in its column. */
export class CellFault extends Error {}

const MICROS_DIGITS = 6;

/** Throws CellFault. A finer part of a time than a microsecond is refused, for it would be lost. */
export function cellOf(type: ColumnType, written: string | undefined): Cell {
  if (written === undefined || written === "null") return null;
  if (type === "json") return written;
  const isText = written.startsWith('"');
  const text = isText ? (JSON.parse(written) as string) : written;
  switch (type) {
    case "text":
      return text;
    case "long":
      return isText ? misfit("is not a number") : integerOf(text);
    case "double":
      return isText ? misfit("is not a number") : doubleOf(text);
    case "boolean":
      return text === "true" || text === "false" ? text === "true" : misfit("is not true or false");
    case "micros":
      return microsOf(Buffer.from(text));
    case "date":
      return dateOf(Buffer.from(text));
    case "bytes":
      return isText ? Buffer.from(text, "base64") : misfit("is not base64");
  }
}

function misfit(why: string): never {
  throw new CellFault(why);
}

function integerOf(text: string): bigint {
  const whole = longText(text);
  return typeof whole === "string" ? misfit("is no integer of 64 bits") : BigInt(whole.text);
}

function doubleOf(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) ? value : misfit("is beyond the range of a double");
}

function dateOf(bytes: Uint8Array): number {
  const days = bytes.length === 10 ? readDate(bytes, 0, 10) : "is not YYYY-MM-DD";
  return typeof days === "number" ? days : misfit(days);
}

function microsOf(bytes: Uint8Array): bigint {
  const parts = readTimestamp(bytes, 0, bytes.length);
  if (typeof parts === "string") return misfit(parts);
  const { days, seconds, fraction, offsetMinutes } = parts;
  if (/[1-9]/.test(fraction.slice(MICROS_DIGITS))) {
    return misfit("is finer than a microsecond, which the column cannot hold");
  }
  const micros = BigInt(fraction.slice(0, MICROS_DIGITS).padEnd(MICROS_DIGITS, "0"));
  return BigInt(days * 86_400 + seconds - offsetMinutes * 60) * 1_000_000n + micros;
}
