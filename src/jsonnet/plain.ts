/** From values to JSON as JSON.stringify takes it. */
import { runtimeFault } from "./errors.ts";
import { emit, enter, leave, spend } from "./meter.ts";
import { checkAsserts, fieldNames, fieldOf } from "./object.ts";
import { Closure, type Item, itemAt, JsonnetObject, Native, type Value } from "./value.ts";

/** JSON in memory. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The value with everything in it evaluated; paid from the output budget. */
export function toPlain(value: Value): Json {
  if (Array.isArray(value)) return plainArray(value);
  if (value instanceof JsonnetObject) return plainObject(value);
  if (value instanceof Closure || value instanceof Native) {
    throw runtimeFault("A function cannot be part of JSON.");
  }
  emit(typeof value === "string" ? value.length + 2 : 8);
  return value;
}

function plainArray(items: Item[]): Json[] {
  enter();
  const plain: Json[] = [];
  spend(items.length >> 2);
  for (let i = 0; i < items.length; i++) plain.push(toPlain(itemAt(items, i)));
  leave();
  emit(plain.length + 2);
  return plain;
}

function plainObject(object: JsonnetObject): Json {
  checkAsserts(object);
  enter();
  const plain: { [name: string]: Json } = {};
  for (const name of fieldNames(object, false)) {
    spend(1);
    const value = toPlain(fieldOf(object, name));
    emit(name.length + 4);
    if (name === "__proto__") Object.defineProperty(plain, name, { ...OWN, value });
    else plain[name] = value;
  }
  leave();
  return plain;
}

const OWN = { enumerable: true, configurable: true, writable: true } as const;
