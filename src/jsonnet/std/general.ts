/** Types, equality, and what reaches out of the template. */
import { runtimeFault } from "../errors.ts";
import { formatText } from "../format.ts";
import { INLINE_STYLE, manifestText } from "../manifest.ts";
import { fieldNames } from "../object.ts";
import { compare, equals } from "../operators.ts";
import { quote } from "../quote.ts";
import { lengthOf } from "../text.ts";
import { Closure, JsonnetObject, Native, typeName, type Value } from "../value.ts";
import { asArray, asText, wrong } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const GENERAL_FUNCTIONS: StdFunctions = {
  type: native("x", typeName),
  isString: isType("string"),
  isNumber: isType("number"),
  isBoolean: isType("boolean"),
  isObject: isType("object"),
  isArray: isType("array"),
  isFunction: isType("function"),
  isNull: isType("null"),
  length: native("x", length),
  id: native("x", (x: Value) => x),
  equals: native("x y", equals),
  primitiveEquals: native("x y", (x: Value, y: Value) => {
    if (typeName(x) !== typeName(y)) return false;
    if (x !== null && typeof x === "object") throw wrong("a value without parts", x);
    return equals(x, y);
  }),
  assertEqual: native("a b", (a: Value, b: Value) => {
    if (equals(a, b)) return true;
    throw runtimeFault(`Assertion failed. ${shown(a)} != ${shown(b)}`);
  }),
  format: native("str vals", (str: Value, vals: Value) => formatText(asText(str), vals)),
  trace: native("str rest", (str: Value, rest: Value) => {
    asText(str);
    return rest;
  }),
  extVar: native("x", (x: Value) => {
    throw runtimeFault(`There are no external variables here, so none ${quote(asText(x))} either.`);
  }),
  __compare: native("v1 v2", (v1: Value, v2: Value) => Math.sign(compare(v1, v2))),
  __compare_array: native("arr1 arr2", (a: Value, b: Value) => order(a, b)),
  __array_less: native("arr1 arr2", (a: Value, b: Value) => order(a, b) < 0),
  __array_greater: native("arr1 arr2", (a: Value, b: Value) => order(a, b) > 0),
  __array_less_or_equal: native("arr1 arr2", (a: Value, b: Value) => order(a, b) <= 0),
  __array_greater_or_equal: native("arr1 arr2", (a: Value, b: Value) => order(a, b) >= 0),
};

function isType(name: string) {
  return native("v", (v: Value) => typeName(v) === name);
}

function length(x: Value): number {
  if (typeof x === "string") return lengthOf(x);
  if (Array.isArray(x)) return x.length;
  if (x instanceof JsonnetObject) return fieldNames(x, false).length;
  if (x instanceof Closure) return x.plan.defaults.filter((code) => code === undefined).length;
  if (x instanceof Native) return x.params.filter((param) => !param.optional).length;
  throw wrong("string, array, object or function", x);
}

function shown(value: Value): string {
  return manifestText(value, INLINE_STYLE);
}

function order(a: Value, b: Value): number {
  return Math.sign(compare(asArray(a), asArray(b)));
}
