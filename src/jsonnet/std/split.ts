/** Splitting, joining, replacing. */
import { runtimeFault } from "../errors.ts";
import { allocate, allocateItems, enter, leave, scan, spend } from "../meter.ts";
import { type Item, itemAt, typeName, type Value } from "../value.ts";
import { asArray, asInteger, asText, wrong } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const SPLIT_FUNCTIONS: StdFunctions = {
  split: native("str c", (str: Value, c: Value) => splitAll(str, c)),
  splitLimit: native("str c maxsplits", splitLimit),
  splitLimitR: native("str c maxsplits", splitLimitR),
  strReplace: native("str from to", strReplace),
  join: native("sep arr", join),
  lines: native("arr", (arr: Value) => join("\n", [...asArray(arr), ""])),
  deepJoin: native("arr", deepJoin),
  resolvePath: native("f r", (f: Value, r: Value) => {
    return [...splitAll(f, "/").slice(0, -1), asText(r)].join("/");
  }),
};

function splitAll(str: Value, c: Value): string[] {
  const [text, separator] = [asText(str), asText(c)];
  if (separator === "") throw runtimeFault("A string cannot be split at an empty string.");
  scan(text.length * separator.length);
  const parts = text.split(separator);
  allocateItems(parts.length);
  return parts;
}

function limitOf(maxsplits: Value): number {
  const limit = asInteger(maxsplits);
  if (limit >= -1) return limit === -1 ? Number.POSITIVE_INFINITY : limit;
  throw runtimeFault(`The number of splits is -1 or not negative, not ${limit}.`);
}

function splitLimit(str: Value, c: Value, maxsplits: Value): string[] {
  const limit = limitOf(maxsplits);
  const parts = splitAll(str, c);
  if (parts.length - 1 <= limit) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(asText(c))];
}

function splitLimitR(str: Value, c: Value, maxsplits: Value): string[] {
  const limit = limitOf(maxsplits);
  const [text, separator] = [asText(str), asText(c)];
  const count = Math.min(splitAll(text, separator).length - 1, limit);
  const parts: string[] = [];
  let end = text.length;
  // From behind, so separators that overlap are told apart from behind, too.
  while (parts.length < count) {
    const at = text.lastIndexOf(separator, end - separator.length);
    if (at < 0 || at + separator.length > end) break;
    parts.push(text.slice(at + separator.length, end));
    end = at;
  }
  parts.push(text.slice(0, end));
  return parts.reverse();
}

function strReplace(str: Value, from: Value, to: Value): string {
  const [text, pattern, replacement] = [asText(str), asText(from), asText(to)];
  if (pattern === "") throw runtimeFault("An empty string cannot be replaced.");
  const count = splitAll(text, pattern).length - 1;
  allocate(text.length + count * replacement.length);
  return text.split(pattern).join(replacement);
}

/** The elements one after the other, nulls left out, with the separator between them. */
function join(sep: Value, arr: Value): Value {
  const items = asArray(arr);
  if (typeof sep === "string") return joinTexts(sep, items);
  if (Array.isArray(sep)) return joinArrays(sep, items);
  throw wrong("string or array", sep);
}

function joinTexts(separator: string, items: Item[]): string {
  const parts: string[] = [];
  for (let i = 0; i < items.length; i++) {
    spend(1);
    const item = itemAt(items, i);
    if (item === null) continue;
    if (typeof item !== "string") throw notJoined("string", item, i);
    allocate(item.length + separator.length);
    parts.push(item);
  }
  return parts.join(separator);
}

function joinArrays(separator: Item[], items: Item[]): Item[] {
  const joined: Item[] = [];
  let first = true;
  for (let i = 0; i < items.length; i++) {
    spend(1);
    const item = itemAt(items, i);
    if (item === null) continue;
    if (!Array.isArray(item)) throw notJoined("array", item, i);
    allocateItems(item.length + separator.length);
    if (!first) for (const each of separator) joined.push(each);
    for (const each of item) joined.push(each);
    first = false;
  }
  return joined;
}

function notJoined(wanted: string, value: Value, index: number) {
  return runtimeFault(`Expected ${wanted} but element ${index} is of type ${typeName(value)}.`);
}

function deepJoin(value: Value): string {
  if (typeof value === "string") return value;
  const items = asArray(value);
  enter();
  const joined = joinTexts(
    "",
    items.map((_, i) => deepJoin(itemAt(items, i))),
  );
  leave();
  return joined;
}
