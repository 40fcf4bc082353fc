/** Numbers as Jsonnet prints them. */

/**
 * Whole numbers with all their digits (C's `%.0f`), others with 17 significant digits (`%.17g`), so
 * that reading the text gives the number again: `0.1` is printed `0.10000000000000001`.
 */
export function numberText(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0" : String(value);
  if (Number.isInteger(value)) return BigInt(value).toString();
  return generalText(value, 17);
}

/** The shortest digits that give the number again, never with an exponent. */
export function plainText(value: number): string {
  if (Number.isInteger(value)) return numberText(value);
  const text = String(value);
  const [digits = "", exponent] = text.split("e");
  if (exponent === undefined) return text;
  const sign = value < 0 ? "-" : "";
  const significant = digits.replace("-", "").replace(".", "");
  return `${sign}0.${"0".repeat(-Number(exponent) - 1)}${significant}`;
}

/** C's `%.<precision>g`. */
function generalText(value: number, precision: number): string {
  const [mantissa = "", exponentText = "0"] = value.toExponential(precision - 1).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < precision) {
    return trimZeros(value.toFixed(Math.min(100, precision - 1 - exponent)));
  }
  const sign = exponent < 0 ? "-" : "+";
  return `${trimZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
