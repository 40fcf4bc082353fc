/**
 * The filter of ListRecords and TailRecords: `path = value`, joined by ` AND `. A value is a JSON
 * scalar; numbers are compared as written numbers, without going through a double.
 */
import { isDeepStrictEqual } from "node:util";
import { canonicalDecimal } from "../core/decimal.ts";
import { type JsonPath, parseJsonPath, valueAt } from "../core/json-path.ts";

/** Whether a record, given as JSON text, fits. */
export type RecordFilter = (json: Uint8Array) => boolean;

/** A parsed filter, or where and why the text is wrong. */
export type ParsedFilter =
  | { readonly filter: RecordFilter }
  | { readonly fault: string; readonly at: number };

interface Condition {
  readonly path: JsonPath;
  readonly value: unknown;
}

/** A number in a parsed record, as it was written. */
class WrittenNumber {
  readonly canonical: string;
  constructor(source: string) {
    this.canonical = canonicalDecimal(source);
  }
}

const decoder = new TextDecoder();

/** Reads the text of a filter; the empty text fits every record. */
export function parseRecordFilter(text: string): ParsedFilter {
  const conditions: Condition[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const condition = parseCondition(text, at);
    if ("fault" in condition) return condition;
    conditions.push(condition);
    at = skipSpace(text, condition.end);
    if (at >= text.length) break;
    if (!/^AND\s/.test(text.slice(at, at + 4))) return { fault: "expected AND or the end", at };
    at = skipSpace(text, at + 3);
    if (at >= text.length) return { fault: "a condition is missing after AND", at };
  }
  return { filter: (json) => conditions.length === 0 || fits(json, conditions) };
}

function fits(json: Uint8Array, conditions: readonly Condition[]): boolean {
  const record = parseLossless(decoder.decode(json));
  return conditions.every(({ path, value }) => isDeepStrictEqual(valueAt(record, path), value));
}

/** JSON.parse, but numbers keep how they were written. */
function parseLossless(text: string): unknown {
  return JSON.parse(text, keepNumber as (key: string, value: unknown) => unknown);
}

function keepNumber(_key: string, value: unknown, context: { source: string }): unknown {
  return typeof value === "number" ? new WrittenNumber(context.source) : value;
}

function parseCondition(
  text: string,
  start: number,
): (Condition & { readonly end: number }) | { readonly fault: string; readonly at: number } {
  const parsed = parseJsonPath(text, start);
  if ("fault" in parsed) return parsed;
  const equals = skipSpace(text, parsed.end);
  if (text[equals] !== "=") return { fault: "expected = after the path", at: equals };
  const begin = skipSpace(text, equals + 1);
  const literal = /^(?:"(?:[^"\\]|\\.)*"|[^\s"]+)/.exec(text.slice(begin))?.[0];
  if (literal === undefined) return { fault: "expected a value after =", at: begin };
  try {
    const value = parseLossless(literal);
    if (typeof value === "object" && value !== null && !(value instanceof WrittenNumber)) {
      return { fault: "a value is a string, a number, true, false or null", at: begin };
    }
    return { path: parsed.path, value, end: begin + literal.length };
  } catch {
    return { fault: 'a value is JSON: a string stands in quotes, such as "bar4"', at: begin };
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? "")) at++;
  return at;
}
