/**
 * Who calls, where proxies stand between: each proxy appends the address of its own peer to
 * X-Forwarded-For (or Forwarded, RFC 7239). What is left of the first address that is not a trusted
 * proxy was sent by the caller, who may write anything there, so it is never looked at.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isInRanges, parseAddress, parseAddressRange } from "../core/address-range.ts";

/** What of a request tells its caller. */
export interface ForwardedRequest {
  /** Address of the TCP peer, as Node gives it. */
  readonly peer: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Finds callers. */
export interface ClientAddresses {
  /**
   * The peer; or, when it is a trusted proxy, the rightmost address before it that is none. Where the
   * chain has anything but an address, the nearest proxy stands for the caller. IPv4 is always
   * written as IPv4. Empty when the peer is gone.
   */
  find(request: ForwardedRequest): string;
  /** Whether a peer is a trusted proxy. */
  isTrusted(peer: string): boolean;
}

/**
 * `trustedProxies` are addresses and CIDRs; throws for anything else. A proxy that writes Forwarded
 * must not let a caller's X-Forwarded-For through, which goes first.
 */
export function createClientAddresses(trustedProxies: readonly string[]): ClientAddresses {
  const ranges = trustedProxies.map(parseAddressRange);
  const isTrusted = (text: string) => {
    const address = ranges.length === 0 ? undefined : parseAddress(withoutZone(text));
    return address !== undefined && isInRanges(address, ranges);
  };
  return {
    isTrusted,
    find({ peer, headers }) {
      let caller = (peer ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
      if (!isTrusted(caller)) return caller;
      for (const hop of readHops(headers).reverse()) {
        const address = parseNode(hop);
        if (!address) break;
        caller = address.toString();
        if (!isInRanges(address, ranges)) break;
      }
      return caller;
    },
  };
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

/** Addresses of a chain as they are written, the caller's first. */
function readHops(headers: IncomingHttpHeaders): string[] {
  const chain = joined(headers["x-forwarded-for"]);
  if (chain !== "") return chain.split(",").map((hop) => hop.trim());
  return readForwarded(joined(headers.forwarded));
}

function joined(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}

const PAIR =
  /[ \t]*([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[\w!#$%&'*+.^`|~:[\]-]*)[ \t]*([;,]|$)/y;

/**
 * The `for` of each element, empty where an element has none. One fault of syntax and the header
 * counts for nothing: a quote that the caller left open may reach into what the proxy wrote.
 */
function readForwarded(text: string): string[] {
  const hops: string[] = [];
  let hop: string | undefined;
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < text.length) {
    const [whole, name, value, end] = PAIR.exec(text) ?? [];
    if (!whole || name === undefined || value === undefined) return [];
    if (name.toLowerCase() === "for") {
      if (hop !== undefined) return [];
      hop = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
    }
    if (end !== ";") {
      hops.push(hop ?? "");
      hop = undefined;
    }
  }
  return hops;
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; else undefined. */
function parseNode(text: string) {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text)?.[1];
  return parseAddress(bracketed ?? withPort ?? text);
}
