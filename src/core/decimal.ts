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
