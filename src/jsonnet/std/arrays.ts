/** Arrays: making, mapping, folding, searching. */
import { call } from "../call.ts";
import { runtimeFault } from "../errors.ts";
import { allocate, allocateItems, enter, leave, spend } from "../meter.ts";
import { equals } from "../operators.ts";
import { slice } from "../slice.ts";
import { force, type Item, itemAt, typeName, type Value } from "../value.ts";
import { asArray, asBoolean, asFunction, asInteger, asText, wrong } from "./check.ts";
import { elementsOf, lazyCall, mapItems } from "./lazy.ts";
import { native, type StdFunctions } from "./native.ts";
import { findSubstr } from "./strings.ts";

export const ARRAY_FUNCTIONS: StdFunctions = {
  makeArray: native("sz func", makeArray),
  range: native("from to", range),
  repeat: native("what count", repeat),
  slice: native("indexable index end step", (value: Value, from: Value, end: Value, step: Value) =>
    slice(value, { from, end, step }),
  ),
  map: native("func arr", (func: Value, arr: Value) => {
    const fn = asFunction(func);
    return mapItems(elementsOf(arr), (item) => lazyCall(fn, item));
  }),
  mapWithIndex: native("func arr", (func: Value, arr: Value) => {
    const fn = asFunction(func);
    return mapItems(elementsOf(arr), (item, index) => lazyCall(fn, index, item));
  }),
  filter: native("func arr", filter),
  filterMap: native("filter_func map_func arr", (keep: Value, func: Value, arr: Value) => {
    const fn = asFunction(func);
    return mapItems(filter(keep, arr), (item) => lazyCall(fn, item));
  }),
  flatMap: native("func arr", flatMap),
  foldl: native("func arr init", (func: Value, arr: Value, init: Value) => {
    const fn = asFunction(func);
    return elementsOf(arr).reduce<Value>((running, item) => call(fn, running, item), init);
  }),
  foldr: native("func arr init", (func: Value, arr: Value, init: Value) => {
    const fn = asFunction(func);
    return elementsOf(arr).reduceRight<Value>((running, item) => call(fn, item, running), init);
  }),
  reverse: native("arr", (arr: Value) => {
    const items = asArray(arr);
    allocateItems(items.length);
    return items.toReversed();
  }),
  flattenArrays: native("arrs", (arrs: Value) => flattenArrays(asArray(arrs))),
  flattenDeepArray: native("value", (value: Value) => flattenDeep(value, [])),
  member: native("arr x", member),
  contains: native("arr elem", (arr: Value, elem: Value) => indexOf(asArray(arr), elem) >= 0),
  count: native("arr x~", (arr: Value, x: Item) => indexesOf(asArray(arr), x).length),
  find: native("value~ arr", (value: Item, arr: Value) => indexesOf(asArray(arr), value)),
  remove: native("arr elem", (arr: Value, elem: Value) => {
    const items = asArray(arr);
    const index = indexOf(items, elem);
    return index < 0 ? items : without(items, index);
  }),
  removeAt: native("arr at", (arr: Value, at: Value) => without(asArray(arr), asInteger(at))),
  all: native("arr", (arr: Value) => !hasBoolean(asArray(arr), false)),
  any: native("arr", (arr: Value) => hasBoolean(asArray(arr), true)),
};

function makeArray(sz: Value, func: Value): Item[] {
  const size = asInteger(sz);
  const fn = asFunction(func);
  if (size < 0) throw runtimeFault(`An array cannot have ${size} elements.`);
  allocateItems(size * 8);
  return Array.from({ length: size }, (_, index) => lazyCall(fn, index));
}

function range(from: Value, to: Value): number[] {
  const [first, last] = [asInteger(from), asInteger(to)];
  const length = Math.max(0, last - first + 1);
  allocateItems(length);
  return Array.from({ length }, (_, index) => first + index);
}

function repeat(what: Value, count: Value): Value {
  const times = asInteger(count);
  if (times < 0) throw runtimeFault(`Nothing can be repeated ${times} times.`);
  if (typeof what === "string") {
    spend(Math.ceil(times / 4));
    allocate(times * Math.max(1, what.length));
    return what.repeat(times);
  }
  if (!Array.isArray(what)) throw wrong("array or string", what);
  allocateItems(times * Math.max(1, what.length));
  return Array.from({ length: times }, () => what).flat();
}

function filter(func: Value, arr: Value): Item[] {
  const fn = asFunction(func);
  const items = asArray(arr);
  allocateItems(items.length);
  return items.filter((item) => asBoolean(call(fn, item)));
}

function flatMap(func: Value, arr: Value): Value {
  const fn = asFunction(func);
  if (typeof arr === "string") {
    const parts = elementsOf(arr).map((item) => asText(call(fn, item)));
    allocate(parts.reduce((sum, part) => sum + part.length, 0));
    return parts.join("");
  }
  return flattenArrays(elementsOf(arr).map((item) => call(fn, item)));
}

function flattenArrays(arrays: Item[]): Item[] {
  const flat: Item[] = [];
  for (const array of arrays) {
    const items = asArray(force(array));
    allocateItems(items.length);
    for (const item of items) flat.push(item);
  }
  return flat;
}

function flattenDeep(value: Value, flat: Item[]): Item[] {
  allocateItems(1);
  if (!Array.isArray(value)) {
    flat.push(value);
    return flat;
  }
  enter();
  for (let i = 0; i < value.length; i++) flattenDeep(itemAt(value, i), flat);
  leave();
  return flat;
}

function member(arr: Value, x: Value): boolean {
  if (typeof arr === "string") return x === "" || findSubstr(asText(x), arr).length > 0;
  if (Array.isArray(arr)) return indexOf(arr, x) >= 0;
  throw wrong("array or string", arr);
}

function indexOf(items: Item[], value: Value): number {
  return items.findIndex((_, i) => {
    spend(1);
    return equals(itemAt(items, i), value);
  });
}

function indexesOf(items: Item[], value: Item): number[] {
  const indexes: number[] = [];
  items.forEach((_, i) => {
    spend(1);
    if (equals(itemAt(items, i), force(value))) indexes.push(i);
  });
  return indexes;
}

function without(items: Item[], index: number): Item[] {
  allocateItems(items.length);
  return items.filter((_, i) => i !== index);
}

function hasBoolean(items: Item[], wanted: boolean): boolean {
  return items.some((_, i) => {
    spend(1);
    const item = itemAt(items, i);
    if (typeof item === "boolean") return item === wanted;
    throw runtimeFault(`Element ${i} is not a boolean but of type ${typeName(item)}.`);
  });
}
