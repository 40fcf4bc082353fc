import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalDecimal } from "../../src/core/decimal.ts";

test.each([
  ["1", "1e0"],
  ["1.0", "1e0"],
  ["10e-1", "1e0"],
  ["-120.50", "-1205e-1"],
  ["-0.00", "0"],
  ["0e999999999999999999999", "0"],
  ["1e400", "1e400"],
  ["9007199254740993", "9007199254740993e0"],
])("writes %s as %s", (source, canonical) => {
  expect(canonicalDecimal(source)).toBe(canonical);
});

test("refuses what is no number", () => {
  for (const text of ["", "NaN", "+", "0x10", "1e"]) {
    expect(() => canonicalDecimal(text)).toThrow(RangeError);
  }
});

test("two ways to write one number become one text, and different numbers never do", () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.integer({ min: -50, max: 50 }), (digits, shift) => {
      const zeros = "0".repeat(Math.abs(shift));
      expect(canonicalDecimal(`${digits}${zeros}e-${zeros.length}`)).toBe(
        canonicalDecimal(`${digits}`),
      );
      expect(canonicalDecimal(`${digits + 1n}`)).not.toBe(canonicalDecimal(`${digits}`));
    }),
  );
});
