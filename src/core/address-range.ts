/** Sets of network addresses: one address, a CIDR or a range, IPv4 or IPv6. */
import { isIP } from "node:net";
import ipaddr, { type IPv4, type IPv6 } from "ipaddr.js";

/** Addresses that share a prefix. */
export interface AddressRange {
  readonly address: IPv4 | IPv6;
  /** Leading bits that count. */
  readonly bits: number;
}

const MAPPED_BITS = 96;

/**
 * Reads `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32` or `::1`. IPv4 written as IPv6 (`::ffff:10.0.0.1`)
 * counts as IPv4. Throws an Error whose message says what is wanted.
 */
export function parseAddressRange(text: string): AddressRange {
  const [written = "", length, ...more] = text.split("/");
  const address = parseAddress(written);
  const family = isIP(written);
  const bitsMax = family === 4 ? 32 : 128;
  const bits = length === undefined ? bitsMax : Number(length);
  const isLength = length === undefined || /^\d{1,3}$/.test(length);
  const isMapped = family === 6 && address?.kind() === "ipv4";
  if (
    !address ||
    more.length > 0 ||
    !isLength ||
    bits > bitsMax ||
    (isMapped && bits < MAPPED_BITS)
  ) {
    throw new Error(`${text} is no address and no CIDR such as 10.0.0.0/8 or 2001:db8::/32`);
  }
  return { address, bits: isMapped ? bits - MAPPED_BITS : bits };
}

/**
 * Reads one address, strictly: four decimal numbers or IPv6, no zone. IPv4 written as IPv6 becomes
 * IPv4. Undefined for anything else.
 */
export function parseAddress(text: string): IPv4 | IPv6 | undefined {
  // ipaddr.js also reads `127.1`, `0x7f000001` and the like, which other programs read otherwise.
  return isIP(text) === 0 || text.includes("%") ? undefined : ipaddr.process(text);
}

/** Whether an address lies in one of the ranges. */
export function isInRanges(address: IPv4 | IPv6, ranges: readonly AddressRange[]): boolean {
  return ranges.some(
    (range) =>
      range.address.kind() === address.kind() && address.match(range.address as never, range.bits),
  );
}

/** Addresses, ranges by prefix, and ranges from one address to another. */
export interface AddressSet {
  /** Whether an address, as text, is one of them. */
  has(address: string): boolean;
}

/**
 * A set from texts such as `192.0.2.7`, `10.0.0.0/8` and `192.0.2.1-192.0.2.9`. Throws an Error whose
 * message says what is wanted, for the first text that is none.
 */
export function addressSet(texts: readonly string[]): AddressSet {
  const tests = texts.map(parseEntry);
  return {
    has(text) {
      const address = parseAddress(text.replace(/%.*$/, ""));
      return address !== undefined && tests.some((test) => test(address));
    },
  };
}

function parseEntry(text: string): (address: IPv4 | IPv6) => boolean {
  const [first = "", last, ...more] = text.split("-").map((part) => part.trim());
  if (last === undefined) {
    const range = parseAddressRange(first);
    return (address) => isInRanges(address, [range]);
  }
  const from = parseAddress(first);
  const to = parseAddress(last);
  if (!from || !to || more.length > 0 || from.kind() !== to.kind() || compare(from, to) > 0) {
    throw new Error(`${text} is no range of addresses such as 192.0.2.1-192.0.2.9`);
  }
  return (address) =>
    address.kind() === from.kind() && compare(from, address) <= 0 && compare(address, to) <= 0;
}

function compare(a: IPv4 | IPv6, b: IPv4 | IPv6): number {
  return Buffer.compare(Buffer.from(a.toByteArray()), Buffer.from(b.toByteArray()));
}
