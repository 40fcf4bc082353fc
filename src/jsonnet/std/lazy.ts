/** Things of the standard library that are evaluated later. */
import { call } from "../call.ts";
import { BARE_PLAN, NO_FRAME } from "../host-value.ts";
import { allocate, allocateItems } from "../meter.ts";
import { codePoints } from "../text.ts";
import {
  type Code,
  type Field,
  type Item,
  type JsonnetFunction,
  JsonnetObject,
  Thunk,
  type Value,
} from "../value.ts";
import { asArray, wrong } from "./check.ts";

/** An item that runs `code` when it is needed. */
export function lazily(code: () => Value): Thunk {
  allocate(64);
  return new Thunk(code, NO_FRAME);
}

/** An item that calls a function when it is needed. */
export function lazyCall(fn: JsonnetFunction, ...args: Item[]): Thunk {
  return lazily(() => call(fn, ...args));
}

/** An object with the given fields, each evaluated when it is needed. */
export function lazyObject(entries: Iterable<readonly [string, Code]>): JsonnetObject {
  const fields = new Map<string, Field>();
  for (const [name, code] of entries) {
    allocate(96);
    fields.set(name, { visibility: "inherit", code });
  }
  return new JsonnetObject([{ plan: BARE_PLAN, fields, frame: NO_FRAME }], false);
}

/** The elements of an array, or the characters of a string. */
export function elementsOf(value: Value): Item[] {
  if (typeof value === "string") return codePoints(value).slice();
  if (Array.isArray(value)) return value;
  throw wrong("array or string", value);
}

/** A new array with what `make` gives for each element. */
export function mapItems(value: Value, make: (item: Item, index: number) => Item): Item[] {
  const items = asArray(value);
  allocateItems(items.length);
  return items.map(make);
}
