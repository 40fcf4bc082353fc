/** Operators of two values. `at` is where a fault is reported. */
import { runtimeFault } from "./errors.ts";
import { toText } from "./manifest.ts";
import { allocate, allocateItems, enter, leave, scan, spend } from "./meter.ts";
import { extendObject, fieldNames, fieldOf } from "./object.ts";
import { compareText } from "./text.ts";
import { type Item, itemAt, JsonnetObject, typeName, type Value } from "./value.ts";

/** The number, or a fault when it is none that Jsonnet has. */
export function checkNumber(value: number, at?: number): number {
  if (Number.isFinite(value)) return value;
  throw runtimeFault(Number.isNaN(value) ? "The result is not a number." : "Overflow.", at);
}

/** `+`: numbers, strings with anything, arrays, objects. */
export function add(left: Value, right: Value, at?: number): Value {
  if (typeof left === "number" && typeof right === "number") return checkNumber(left + right, at);
  if (typeof left === "string" || typeof right === "string") return concat(left, right);
  if (Array.isArray(left) && Array.isArray(right)) {
    allocateItems(left.length + right.length);
    return left.concat(right);
  }
  if (left instanceof JsonnetObject && right instanceof JsonnetObject) {
    return extendObject(left, right);
  }
  throw runtimeFault(`${typeName(left)} + ${typeName(right)} is not defined.`, at);
}

function concat(left: Value, right: Value): string {
  const [a, b] = [toText(left), toText(right)];
  allocate(a.length + b.length);
  return a + b;
}

/** `==`: equal in type and content, hidden fields aside. */
export function equals(left: Value, right: Value): boolean {
  if (typeof left === "string" && typeof right === "string") {
    scan(Math.min(left.length, right.length));
    return left === right;
  }
  if (left === right && typeof left !== "object") return checkComparable(left);
  if (Array.isArray(left) && Array.isArray(right)) return equalArrays(left, right);
  if (left instanceof JsonnetObject && right instanceof JsonnetObject) {
    return equalObjects(left, right);
  }
  if (typeName(left) === "function" && typeName(right) === "function") checkComparable(left);
  return left === right;
}

function checkComparable(value: Value): true {
  if (typeName(value) === "function") throw runtimeFault("Functions cannot be compared.");
  return true;
}

function equalArrays(left: Item[], right: Item[]): boolean {
  if (left.length !== right.length) return false;
  enter();
  let same = true;
  for (let i = 0; same && i < left.length; i++) {
    spend(1);
    same = equals(itemAt(left, i), itemAt(right, i));
  }
  leave();
  return same;
}

function equalObjects(left: JsonnetObject, right: JsonnetObject): boolean {
  const [names, others] = [fieldNames(left, false), fieldNames(right, false)];
  if (names.length !== others.length) return false;
  if (names.some((name, i) => name !== others[i])) return false;
  enter();
  const same = names.every((name) => {
    spend(1);
    return equals(fieldOf(left, name), fieldOf(right, name));
  });
  leave();
  return same;
}

/** Order of numbers, strings (by code points) and arrays: below, at or above zero. */
export function compare(left: Value, right: Value, at?: number): number {
  if (typeof left === "number" && typeof right === "number") {
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (typeof left === "string" && typeof right === "string") return compareText(left, right);
  if (Array.isArray(left) && Array.isArray(right)) return compareArrays(left, right, at);
  const [one, other] = [typeName(left), typeName(right)];
  throw runtimeFault(`Values of types ${one} and ${other} have no order.`, at);
}

function compareArrays(left: Item[], right: Item[], at?: number): number {
  enter();
  let order = 0;
  for (let i = 0; order === 0 && i < left.length && i < right.length; i++) {
    spend(1);
    order = compare(itemAt(left, i), itemAt(right, i), at);
  }
  leave();
  return order === 0 ? left.length - right.length : order;
}
