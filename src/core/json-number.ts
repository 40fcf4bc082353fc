/** Questions about JSON numbers that doubles cannot answer. Time is linear in the digits. */

const LONG_MAX = "9223372036854775807";
const LONG_MIN = "9223372036854775808";

/**
 * A JSON number as a plain integer within 64 bits (`1.0` and `1e0` give `1`, `-0` gives `0`);
 * "fraction" when it is no integer, "range" when it is beyond -2^63 to 2^63 - 1.
 * `source` must be a JSON number.
 */
export function longText(source: string): { readonly text: string } | "fraction" | "range" {
  const isNegative = source.startsWith("-");
  const { digits, exponent } = splitNumber(isNegative ? source.slice(1) : source);
  if (digits === "") return { text: "0" };
  if (exponent < 0) return "fraction";
  if (digits.length + exponent > 19) return "range";
  const text = digits + "0".repeat(exponent);
  if (text.length === 19 && text > (isNegative ? LONG_MIN : LONG_MAX)) return "range";
  return { text: isNegative ? `-${text}` : text };
}

/** Digits without zeros at either end, and the exponent of the last one (capped at ±2^53). */
function splitNumber(source: string): { readonly digits: string; readonly exponent: number } {
  const e = source.search(/[eE]/);
  const mantissa = e === -1 ? source : source.slice(0, e);
  const point = mantissa.indexOf(".");
  const all = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
  let start = 0;
  let end = all.length;
  while (start < end && all.charCodeAt(start) === 0x30) start++;
  while (end > start && all.charCodeAt(end - 1) === 0x30) end--;
  const fraction = point === -1 ? 0 : mantissa.length - point - 1;
  const written = e === -1 ? 0 : Number(source.slice(e + 1));
  const capped = Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, written));
  return { digits: all.slice(start, end), exponent: capped - fraction + (all.length - end) };
}
