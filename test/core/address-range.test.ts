import fc from "fast-check";
import { expect, test } from "vitest";
import { isInRanges, parseAddress, parseAddressRange } from "../../src/core/address-range.ts";

const isIn = (address: string, ...ranges: string[]) => {
  const parsed = parseAddress(address);
  return parsed !== undefined && isInRanges(parsed, ranges.map(parseAddressRange));
};

test("an address lies in its own range and in CIDRs that cover it, in either writing", () => {
  expect(isIn("10.1.2.3", "10.0.0.0/8")).toBe(true);
  expect(isIn("11.1.2.3", "10.0.0.0/8")).toBe(false);
  expect(isIn("192.0.2.7", "192.0.2.7")).toBe(true);
  expect(isIn("::ffff:10.1.2.3", "10.0.0.0/8")).toBe(true);
  expect(isIn("::ffff:a01:203", "10.0.0.0/8")).toBe(true);
  expect(isIn("10.1.2.3", "::ffff:10.0.0.0/104")).toBe(true);
  expect(isIn("2001:db8::5", "2001:db8::/32")).toBe(true);
  expect(isIn("2001:db9::5", "2001:db8::/32")).toBe(false);
  expect(isIn("10.0.0.1", "::/0")).toBe(false);
  expect(isIn("1.2.3.4", "0.0.0.0/0")).toBe(true);
  expect(isIn("::1", "10.0.0.0/8", "::1")).toBe(true);
});

test.each([
  "",
  "localhost",
  "10.0.0",
  "127.1",
  "0x7f000001",
  "010.0.0.1",
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "10.0.0.0/255.0.0.0",
  "::1/129",
  "::ffff:10.0.0.0/95",
  "fe80::1%eth0",
  "[::1]",
  "1.2.3.4:80",
])("%s is no range", (text) => {
  expect(() => parseAddressRange(text)).toThrow("is no address and no CIDR");
});

test("every IPv4 address is in the /0 to /32 around it, and in no /32 of another", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (one, two, bits) => {
      expect(isIn(one, `${one}/${bits}`)).toBe(true);
      expect(isIn(one, `${two}/32`)).toBe(one === two);
    }),
  );
});
