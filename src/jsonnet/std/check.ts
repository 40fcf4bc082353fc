/** Checks of arguments: the value with its type, or a fault that says what was wanted. */
import { runtimeFault } from "../errors.ts";
import {
  Closure,
  type Item,
  type JsonnetFunction,
  JsonnetObject,
  Native,
  typeName,
  type Value,
} from "../value.ts";

/** A string. */
export function asText(value: Value): string {
  if (typeof value === "string") return value;
  throw wrong("string", value);
}

/** A number. */
export function asNumber(value: Value): number {
  if (typeof value === "number") return value;
  throw wrong("number", value);
}

/** A number without a fraction. */
export function asInteger(value: Value): number {
  const number = asNumber(value);
  if (Number.isInteger(number)) return number;
  throw runtimeFault(`Expected a whole number but got ${number}.`);
}

/** A boolean. */
export function asBoolean(value: Value): boolean {
  if (typeof value === "boolean") return value;
  throw wrong("boolean", value);
}

/** An array, with elements that may still have to be evaluated. */
export function asArray(value: Value): Item[] {
  if (Array.isArray(value)) return value;
  throw wrong("array", value);
}

/** An object. */
export function asObject(value: Value): JsonnetObject {
  if (value instanceof JsonnetObject) return value;
  throw wrong("object", value);
}

/** A function. */
export function asFunction(value: Value): JsonnetFunction {
  if (value instanceof Closure || value instanceof Native) return value;
  throw wrong("function", value);
}

/** The fault of a value of the wrong type. */
export function wrong(wanted: string, value: Value) {
  return runtimeFault(`Expected ${wanted} but got ${typeName(value)}.`);
}
