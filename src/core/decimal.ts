/** Numbers as they are written in JSON (RFC 8259 section 6), of any size, without doubles. */

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * One text for all ways to write a number: `1`, `1.0`, `10e-1` all give `1e0`; `-0.00` gives `0`.
 * The result is digits without zeros at either end, then `e` and the exponent of the last digit.
 * Throws a RangeError for text that is no JSON number.
 */
export function canonicalDecimal(source: string): string {
  const parts = NUMBER.exec(source);
  if (!parts) throw new RangeError("not a JSON number");
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts;
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return "0";
  const zeros = all.length - digits.length;
  return `${sign}${digits}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(zeros)}`;
}

/**
 * Compares two numbers by what `canonicalDecimal` made of them, exactly and without writing them out:
 * negative when `a` is smaller, 0 when they are equal.
 */
export function compareDecimals(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  if (left.sign !== right.sign) return left.sign - right.sign;
  if (left.sign === 0) return 0;
  const bySize = compare(left.size, right.size) || compare(left.digits, right.digits);
  return left.sign * bySize;
}

/** A number as sign and `0.digits` times ten to the power `size`. */
function partsOf(canonical: string) {
  if (canonical === "0") return { sign: 0, digits: "", size: 0n };
  const isNegative = canonical.startsWith("-");
  const [digits = "", exponent = "0"] = canonical.slice(isNegative ? 1 : 0).split("e");
  return { sign: isNegative ? -1 : 1, digits, size: BigInt(exponent) + BigInt(digits.length) };
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
