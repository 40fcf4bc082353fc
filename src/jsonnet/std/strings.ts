/** Strings: characters, parts, comparison, escapes. */
import { runtimeFault } from "../errors.ts";
import { toText } from "../manifest.ts";
import { allocate, allocateItems, scan, spend } from "../meter.ts";
import { equals } from "../operators.ts";
import { quote } from "../quote.ts";
import { codePoints, isPlain, lengthOf, sliceText } from "../text.ts";
import { itemAt, type Value } from "../value.ts";
import { asInteger, asNumber, asText, wrong } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const STRING_FUNCTIONS: StdFunctions = {
  toString: native("a", (value: Value) => toText(value)),
  char: native("n", (n: Value) => {
    const point = asNumber(n);
    if (point >= 0 && point <= 0x10ffff)
      return String.fromCodePoint(Math.floor(point)).toWellFormed();
    throw runtimeFault(`${point} is no code point: they go from 0 to 1114111.`);
  }),
  codepoint: native("str", (str: Value) => {
    const text = asText(str);
    if (lengthOf(text) === 1) return text.codePointAt(0) as number;
    throw runtimeFault(`Expected a string of one character but got ${lengthOf(text)}.`);
  }),
  substr: native("str from len", substr),
  findSubstr: native("pat str", (pat: Value, str: Value) => findSubstr(asText(pat), asText(str))),
  startsWith: native("a b", (a: Value, b: Value) => search(a, b, "startsWith")),
  endsWith: native("a b", (a: Value, b: Value) => search(a, b, "endsWith")),
  lstripChars: native("str chars", (str: Value, chars: Value) => strip(str, chars, true, false)),
  rstripChars: native("str chars", (str: Value, chars: Value) => strip(str, chars, false, true)),
  stripChars: native("str chars", (str: Value, chars: Value) => strip(str, chars, true, true)),
  trim: native("str", (str: Value) => strip(str, " \t\n\f\r\u0085\u00a0", true, true)),
  isEmpty: native("str", (str: Value) => asText(str) === ""),
  equalsIgnoreCase: native("str1 str2", (a: Value, b: Value) => {
    return asciiLower(copied(asText(a))) === asciiLower(copied(asText(b)));
  }),
  asciiUpper: native("str", (str: Value) =>
    copied(asText(str)).replace(/[a-z]+/g, (letters) => letters.toUpperCase()),
  ),
  asciiLower: native("str", (str: Value) => asciiLower(copied(asText(str)))),
  stringChars: native("str", (str: Value) => {
    const chars = codePoints(asText(str));
    allocateItems(chars.length);
    return chars.slice();
  }),
  escapeStringJson: native("str_", (value: Value) => escaped(value, quote)),
  escapeStringPython: native("str", (value: Value) => escaped(value, quote)),
  escapeStringBash: native("str_", (value: Value) =>
    escaped(value, (text) => `'${text.replaceAll("'", `'"'"'`)}'`),
  ),
  escapeStringDollars: native("str_", (value: Value) =>
    escaped(value, (text) => text.replaceAll("$", "$$$$")),
  ),
  escapeStringXML: native("str_", (value: Value) =>
    escaped(value, (text) => text.replace(/[<>&"']/g, (char) => XML_ESCAPES[char] as string)),
  ),
};

const XML_ESCAPES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&quot;",
  "'": "&apos;",
};

function substr(str: Value, from: Value, len: Value): string {
  const text = asText(str);
  const [start, length] = [asInteger(from), asInteger(len)];
  if (start < 0 || length < 0) throw runtimeFault("std.substr wants no negative numbers.");
  const total = lengthOf(text);
  return sliceText(text, Math.min(start, total), Math.min(start + length, total));
}

/** Where a pattern is found, overlapping or not, counted in code points. */
export function findSubstr(pattern: string, text: string): number[] {
  if (pattern === "") return [];
  scan(text.length * pattern.length);
  const units: number[] = [];
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) units.push(at);
  allocateItems(units.length);
  if (isPlain(text)) return units;
  let [unit, point] = [0, 0];
  return units.map((at) => {
    point += Array.from(text.slice(unit, at)).length;
    unit = at;
    return point;
  });
}

function search(a: Value, b: Value, how: "startsWith" | "endsWith"): boolean {
  const [text, part] = [asText(a), asText(b)];
  scan(part.length);
  return text[how](part);
}

function strip(
  str: Value,
  chars: Value,
  ...[left, right]: [left: boolean, right: boolean]
): string {
  const text = asText(str);
  const isStripped = charTest(chars);
  let [from, to] = [0, text.length];
  while (left && from < to) {
    const char = String.fromCodePoint(text.codePointAt(from) as number);
    if (!isStripped(char)) break;
    from += char.length;
  }
  while (right && from < to) {
    const isPair = to - from > 1 && (text.codePointAt(to - 2) as number) > 0xffff;
    const char = text.slice(to - (isPair ? 2 : 1), to);
    if (!isStripped(char)) break;
    to -= char.length;
  }
  allocate(to - from);
  return text.slice(from, to);
}

/** Whether a character is one of those of a string or array. */
function charTest(chars: Value): (char: string) => boolean {
  if (typeof chars === "string") {
    spend(chars.length >> 2);
    const listed = new Set(chars);
    return (char) => {
      spend(1);
      return listed.has(char);
    };
  }
  if (!Array.isArray(chars)) throw wrong("string or array", chars);
  return (char) =>
    chars.some((_, i) => {
      spend(1);
      return equals(itemAt(chars, i), char);
    });
}

function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** A text that is about to be rewritten: pays for the copy, and for looking at every character. */
function copied(text: string): string {
  allocate(text.length);
  spend(text.length >> 3);
  return text;
}

function escaped(value: Value, quoted: (text: string) => string): string {
  const text = quoted(copied(toText(value)));
  allocate(text.length);
  return text;
}
