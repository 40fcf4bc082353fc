/** How variables are read that hold addresses; each throws an Error that says what is wanted. */
import { Resolver } from "node:dns";
import { parseAddressRange } from "./core/address-range.ts";
import { isMailAddress } from "./mail/smtp-url.ts";

/** Items between commas, trimmed. */
export function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** Addresses and CIDRs between commas. */
export function addressRanges(value: string): readonly string[] {
  const ranges = list(value);
  for (const range of ranges) {
    try {
      parseAddressRange(range);
    } catch (error) {
      throw new Error(`must list addresses and CIDRs: ${(error as Error).message}`);
    }
  }
  return ranges;
}

/** CIDRs between commas. */
export function cidrs(value: string): readonly string[] {
  const ranges = addressRanges(value);
  const bare = ranges.find((range) => !range.includes("/"));
  if (bare) throw new Error(`must list CIDRs: write ${bare}/${bare.includes(":") ? 128 : 32}`);
  return ranges;
}

/** Addresses of DNS servers between commas, each with a port or without. */
export function dnsServers(value: string): readonly string[] {
  const servers = list(value);
  try {
    new Resolver().setServers(servers);
  } catch {
    throw new Error("must list addresses such as 192.0.2.53 or 192.0.2.53:5353");
  }
  return servers;
}

/** An http or https address, without the slash at its end. */
export function webAddress(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    throw new Error("must be an http or https address such as https://push.example.com");
  }
  return value.replace(/\/+$/, "");
}

/** Addresses of servers between commas, each with one of the protocols. */
export function serverAddress(...protocols: string[]): (value: string) => string | undefined {
  return (value) => {
    const ok = list(value).every((v) => URL.canParse(v) && protocols.includes(new URL(v).protocol));
    if (!ok) throw new Error(`must begin with ${protocols.map((p) => `${p}//`).join(" or ")}`);
    return value;
  };
}

/** An OpenID provider, as it writes itself: a slash at the end counts. */
export function issuerAddress(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isLocal =
    url?.protocol === "http:" && /^(127\.[\d.]+|localhost|\[::1\])$/.test(url.hostname);
  if (!url || !(url.protocol === "https:" || isLocal) || url.search || url.hash || url.username) {
    throw new Error("must be an https address such as https://login.example.com");
  }
  return value;
}

/** One mail address. */
export function mailAddress(value: string): string | undefined {
  if (!isMailAddress(value)) throw new Error("must be a mail address such as data@example.com");
  return value;
}
