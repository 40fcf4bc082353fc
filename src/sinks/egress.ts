/**
 * Where sinks may connect to. A name is resolved once, every address of the answer must be allowed, and
 * the connection goes to exactly those addresses, so a name that changes its answer between the check
 * and the connection (DNS rebinding) gains nothing.
 */
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { createNameServers } from "./name-server.ts";
import { SinkFault } from "./sink-fault.ts";

/** What the operator allows beside global unicast addresses. */
export interface EgressPolicy {
  /** Whether 127.0.0.0/8 and ::1 may be reached. */
  readonly isLoopbackAllowed: boolean;
  /** CIDRs, such as `10.0.0.0/8`, that may be reached although they are private. */
  readonly egressAllowList: readonly string[];
  /** DNS servers to ask (`address` or `address:port`); the system's when there are none. */
  readonly dnsServers?: readonly string[] | undefined;
}

/** All addresses of a name, as text. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

/** An address that passed. */
export interface AllowedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** The check, for one sink. */
export interface EgressGuard {
  /** Allowed addresses of a host name or IP literal; throws SinkFault when any of them is not allowed. */
  resolve(host: string): Promise<readonly AllowedAddress[]>;
  /** For sockets and agents. Node skips it for IP literals: call `resolve` for those before connecting. */
  readonly lookup: LookupFunction;
}

/** Cloud metadata services: refused even when an allow-list covers them. */
const METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254"];
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");

/** Makes the check; `resolve` is what asks DNS. */
export function createEgressGuard(
  policy: EgressPolicy,
  resolve: ResolveName = createNameServers(policy.dnsServers).addresses,
): EgressGuard {
  const allowed = policy.egressAllowList.map((cidr) => ipaddr.parseCIDR(cidr));
  const check = (address: string): AllowedAddress | undefined =>
    isAllowed(address, policy.isLoopbackAllowed, allowed)
      ? { address, family: isIP(address) === 6 ? 6 : 4 }
      : undefined;
  const guard: EgressGuard = {
    async resolve(host) {
      const name = host.startsWith("[") ? host.slice(1, -1) : host;
      const answers = isIP(name) ? [name] : await resolve(name);
      if (answers.length === 0) throw new SinkFault("NAME_UNKNOWN", `${name} has no address`);
      return answers.map((answer) => {
        const address = check(answer);
        if (address) return address;
        throw new SinkFault(
          "ADDRESS_REFUSED",
          `${name} leads to an address that sinks may not reach (only public addresses, and what the operator allows)`,
        );
      });
    },
    lookup(hostname, options, callback) {
      guard.resolve(hostname).then(
        (addresses) => {
          const fit = addresses.filter(
            (a) => !options.family || String(options.family).endsWith(String(a.family)),
          );
          if (options.all) callback(null, [...fit]);
          else callback(null, (fit[0] ?? addresses[0]!).address, (fit[0] ?? addresses[0]!).family);
        },
        (error: NodeJS.ErrnoException) => callback(error, ""),
      );
    },
  };
  return guard;
}

function isAllowed(
  text: string,
  isLoopbackAllowed: boolean,
  allowed: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[],
): boolean {
  if (!ipaddr.isValid(text) || METADATA.includes(text)) return false;
  const address = ipaddr.parse(text);
  const range = address.range();
  if (address instanceof ipaddr.IPv6 && address.zoneId) return false;
  if (range === "loopback" && isLoopbackAllowed) return true;
  for (const [network, bits] of allowed) {
    if (network.kind() === address.kind() && address.match([network, bits] as never)) return true;
  }
  if (range !== "unicast") return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_V6);
}

/** Whether an address is one of the public internet, as opposed to loopback, private and the like. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return true;
  const address = ipaddr.parse(text);
  return address.range() === "unicast";
}
