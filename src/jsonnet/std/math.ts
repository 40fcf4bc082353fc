/** Numbers. */

import { modulo } from "../binary-operators.ts";
import { runtimeFault } from "../errors.ts";
import { checkNumber, compare } from "../operators.ts";
import { force, type Item, itemAt, type Value } from "../value.ts";
import { asArray, asBoolean, asNumber, asText } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const MATH_FUNCTIONS: StdFunctions = {
  // As the library defines it, which makes 0 to -0.
  abs: unary("n", (n) => (n > 0 ? n : -n)),
  sign: unary("n", (n) => (n > 0 ? 1 : n < 0 ? -1 : 0)),
  floor: unary("x", Math.floor),
  ceil: unary("x", Math.ceil),
  // Halves away from zero.
  round: unary("x", (x) => Math.sign(x) * Math.round(Math.abs(x))),
  sqrt: unary("x", Math.sqrt),
  exp: unary("x", Math.exp),
  log: unary("x", Math.log),
  log2: unary("x", (x) => Math.log(x) / Math.log(2)),
  log10: unary("x", (x) => Math.log(x) / Math.log(10)),
  sin: unary("x", Math.sin),
  cos: unary("x", Math.cos),
  tan: unary("x", Math.tan),
  asin: unary("x", Math.asin),
  acos: unary("x", Math.acos),
  atan: unary("x", Math.atan),
  deg2rad: unary("x", (x) => (x * Math.PI) / 180),
  rad2deg: unary("x", (x) => (x * 180) / Math.PI),
  mantissa: unary("x", (x) => splitFloat(x).mantissa),
  exponent: unary("x", (x) => splitFloat(x).exponent),
  atan2: binary("y x", Math.atan2),
  hypot: binary("x y", Math.hypot),
  pow: binary("x n", (x, n) => x ** n),
  max: binary("a b", Math.max),
  min: binary("a b", Math.min),
  mod: native("a b", modulo),
  modulo: native("x y", (x: Value, y: Value) => modulo(asNumber(x), y)),
  clamp: native("x minVal maxVal~", (x: Value, minVal: Value, maxVal: Item) => {
    if (compare(x, minVal) < 0) return minVal;
    const most = force(maxVal);
    return compare(x, most) > 0 ? most : x;
  }),
  isEven: test((x) => Math.trunc(x) % 2 === 0),
  isOdd: test((x) => Math.trunc(x) % 2 !== 0),
  isInteger: test(Number.isInteger),
  isDecimal: test((x) => !Number.isInteger(x)),
  sum: native("arr", (arr: Value) => sum(arr)),
  avg: native("arr", (arr: Value) => {
    const { length } = asArray(arr);
    if (length === 0) throw runtimeFault("An empty array has no average.");
    return sum(arr) / length;
  }),
  xor: native("x y", (x: Value, y: Value) => asBoolean(x) !== asBoolean(y)),
  xnor: native("x y", (x: Value, y: Value) => asBoolean(x) === asBoolean(y)),
  // "-0" is 0.
  parseInt: native("str", (str: Value) => parseInteger(asText(str), /^[+-]?[0-9]+$/, 10)),
  parseOctal: native("str", (str: Value) => parseInteger(asText(str), /^[0-7]+$/, 8)),
  parseHex: native("str", (str: Value) => parseInteger(asText(str), /^[0-9a-fA-F]+$/, 16)),
};

function unary(param: string, run: (x: number) => number) {
  return native(param, (x: Value) => checkNumber(run(asNumber(x))));
}

function binary(params: string, run: (x: number, y: number) => number) {
  return native(params, (x: Value, y: Value) => checkNumber(run(asNumber(x), asNumber(y))));
}

function test(run: (x: number) => boolean) {
  return native("x", (x: Value) => run(asNumber(x)));
}

/** `x` is mantissa * 2 ** exponent, the mantissa from a half up to one. */
function splitFloat(x: number): { mantissa: number; exponent: number } {
  if (x === 0) return { mantissa: 0, exponent: 0 };
  const size = Math.abs(x);
  let exponent = Math.max(-1023, Math.floor(Math.log2(size)) + 1);
  // In two steps, since 2 ** -exponent alone may not be a number.
  let mantissa = x * 2 ** -Math.ceil(exponent / 2) * 2 ** -Math.floor(exponent / 2);
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2;
    exponent++;
  }
  return { mantissa, exponent };
}

function sum(arr: Value): number {
  const items = asArray(arr);
  let total = 0;
  for (let i = 0; i < items.length; i++) total += asNumber(itemAt(items, i));
  return checkNumber(total);
}

function parseInteger(text: string, digits: RegExp, radix: number): number {
  if (digits.test(text)) {
    return checkNumber(radix === 10 ? Number(text) + 0 : Number.parseInt(text, radix));
  }
  throw runtimeFault(`${JSON.stringify(text.slice(0, 100))} is no integer of base ${radix}.`);
}
