/**
 * How values are written in COPY's two formats (Postgres manual, COPY, "File Formats"). Numbers are passed
 * on as the text they were pushed as, so no digit is lost.
 */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal } from "../../core/decimal.ts";
import type { Column } from "./columns.ts";

/** One of the formats. */
export interface LineFormat {
  /** What stands for no value. */
  readonly missing: string;
  readonly separator: string;
  readonly end: string;
  /** JSON text of a value as COPY reads it; undefined when Postgres has no way to hold it. */
  value(column: Column, json: string): string | undefined;
  /** Any text. */
  text(text: string): string;
  /** What a value is that cannot be written. */
  readonly fault: string;
}

const NULL = "\\N";
const HALF_ESCAPE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;
const NUL_ESCAPE = /(?<!\\)(?:\\\\)*\\u0000/;

/** The text format, into which JSON texts go almost as they are. */
export const TEXT_LINES: LineFormat = {
  missing: NULL,
  separator: "\t",
  end: "\n",
  value: encodeValue,
  text: escapeText,
  fault: "holds \\u0000 or half a surrogate pair, which Postgres cannot store",
};

/**
 * CSV by RFC 4180, for readers beside COPY as well. A missing value is an empty field, an empty text a
 * quoted one.
 */
export const CSV_LINES: LineFormat = {
  missing: "",
  separator: ",",
  end: "\r\n",
  value: csvValue,
  text: csvField,
  fault: "holds \\u0000, half a surrogate pair or too large a number, which Postgres cannot store",
};

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

function csvValue(column: Column, json: string): string | undefined {
  if (json === "null") {
    return column.type === Field_Type.JSON && !column.isNullable ? "null" : "";
  }
  switch (column.type) {
    // Nobody would find a bad value before the import, which takes all rows or none.
    case Field_Type.LONG: {
      const text = encodeValue(column, json) ?? "";
      return text.length <= 18 || isBigint(text) ? text : undefined;
    }
    case Field_Type.DOUBLE:
      return Number.isFinite(Number(json)) ? encodeValue(column, json) : undefined;
    case Field_Type.BOOLEAN:
      return json;
    case Field_Type.BINARY:
      return encodeValue(column, json)?.slice(1);
    case Field_Type.STRING:
    case Field_Type.DECIMAL:
    case Field_Type.TIMESTAMP:
    case Field_Type.DATE: {
      if (json.charCodeAt(0) !== 0x22) return json;
      if (!json.includes("\\")) return csvField(json.slice(1, -1));
      const text = JSON.parse(json) as string;
      return text.includes("\u0000") || !text.isWellFormed() ? undefined : csvField(text);
    }
    default:
      return NUL_ESCAPE.test(json) || isHalf(json) ? undefined : csvField(json);
  }
}

function isBigint(text: string): boolean {
  return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

/** Whether a text of JSON text holds half a surrogate pair: those alone are written as escapes again. */
function isHalf(json: string): boolean {
  return json.includes("\\u") && HALF_ESCAPE.test(JSON.stringify(JSON.parse(json)));
}

/** A backslash alone in the first field would end a COPY of older servers. */
function csvField(text: string): string {
  return text === "" || /[",\r\n\\]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
