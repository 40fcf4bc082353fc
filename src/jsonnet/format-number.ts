/**
 * Numbers in formats. The arithmetic is that of the standard library, step by step, so that the last
 * digits come out the same.
 */
import { allocate, spend } from "./meter.ts";
import { checkNumber } from "./operators.ts";

interface NumberStyle {
  /** Filled with zeros up to this length. */
  readonly zeros: number;
  readonly plus: boolean;
  readonly blank: boolean;
}

/** How an integer is rendered; `digits` is the least number of them. */
export interface IntegerStyle extends NumberStyle {
  readonly negative: boolean;
  readonly digits: number;
  readonly radix: number;
  readonly prefix: string;
}

/** A whole number that is not negative, with its sign. */
export function renderInteger(magnitude: number, style: IntegerStyle): string {
  const { negative, digits, radix, prefix } = style;
  let text = "";
  spend(Math.ceil(Math.log2(magnitude + 1) / 4));
  for (let rest = magnitude; rest !== 0; rest = Math.floor(rest / radix)) {
    text = String(rest % radix) + text;
  }
  const number = magnitude === 0 ? "0" : prefix + text;
  return sign(negative, style) + padZeros(number, Math.max(roomFor(negative, style), digits));
}

/** How a hexadecimal number is rendered; `alternate` puts 0x in front. */
export interface HexStyle extends NumberStyle {
  readonly digits: number;
  readonly alternate: boolean;
  readonly upper: boolean;
}

/** A whole number in hexadecimal digits. */
export function renderHex(value: number, style: HexStyle): string {
  const { digits, alternate, upper } = style;
  let text = "";
  spend(Math.ceil(Math.log2(Math.abs(value) + 1) / 4));
  for (let rest = Math.abs(value); rest !== 0; rest = Math.floor(rest / 16)) {
    text = (rest % 16).toString(16) + text;
  }
  const negative = value < 0;
  const room = roomFor(negative, style) - (alternate ? 2 : 0);
  const number = (alternate ? "0x" : "") + padZeros(text || "0", Math.max(room, digits));
  return sign(negative, style) + (upper ? number.toUpperCase() : number);
}

/** How a fraction is rendered; `point` keeps the point, `trailing` the zeros at the end. */
export interface FloatStyle extends NumberStyle {
  readonly precision: number;
  readonly point: boolean;
  readonly trailing: boolean;
  readonly upper: boolean;
}

/** `%f` */
export function renderFloat(value: number, style: FloatStyle): string {
  const { precision, point, trailing, zeros, plus, blank } = style;
  const denominator = checkNumber(10 ** precision);
  const numerator = checkNumber(Math.abs(value) * denominator + 0.5);
  const whole = value === 0 ? 0 : Math.floor(numerator / denominator);
  const fraction = Math.floor(numerator) % denominator;
  const dot = precision === 0 && !point ? 0 : 1;
  const base = { radix: 10, prefix: "", digits: 0 };
  const negative = value < 0;
  const text = renderInteger(whole, {
    ...base,
    negative,
    zeros: zeros - precision - dot,
    plus,
    blank,
  });
  if (precision === 0) return text + (point ? "." : "");
  if (!trailing && fraction <= 0) return text;
  const unsigned = { negative: false, plus: false, blank: false };
  const digits = renderInteger(fraction, { ...base, ...unsigned, zeros: precision });
  return `${text}.${trailing ? digits : digits.replace(/0+$/, "")}`;
}

/** `%e` */
export function renderScientific(value: number, style: FloatStyle): string {
  const exponent = exponentOf(value);
  const suffix = renderInteger(Math.abs(exponent), {
    ...{ negative: exponent < 0, zeros: 3, digits: 0, radix: 10, prefix: "" },
    ...{ plus: true, blank: false },
  });
  // 10 ** -324 would be 0.
  const mantissa = exponent === -324 ? (value * 10) / 10 ** (exponent + 1) : value / 10 ** exponent;
  const tail = (style.upper ? "E" : "e") + suffix;
  return renderFloat(mantissa, { ...style, zeros: style.zeros - tail.length }) + tail;
}

/** `%g` */
export function renderGeneral(value: number, style: FloatStyle): string {
  const { precision } = style;
  const exponent = exponentOf(value);
  if (exponent < -4 || exponent >= precision) {
    return renderScientific(value, { ...style, precision: precision - 1 });
  }
  const before = Math.max(1, exponent + 1);
  return renderFloat(value, { ...style, precision: precision - before });
}

function exponentOf(value: number): number {
  return value === 0 ? 0 : Math.floor(Math.log(Math.abs(value)) / Math.log(10));
}

function sign(negative: boolean, { plus, blank }: NumberStyle): string {
  return negative ? "-" : plus ? "+" : blank ? " " : "";
}

function roomFor(negative: boolean, style: NumberStyle): number {
  return style.zeros - (sign(negative, style) === "" ? 0 : 1);
}

function padZeros(digits: string, length: number): string {
  const missing = Math.ceil(length - digits.length);
  if (missing <= 0) return digits;
  allocate(missing);
  return "0".repeat(missing) + digits;
}
