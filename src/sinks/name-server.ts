/** What DNS says, by the servers of the system or by those that the operator names. */
import { lookup, Resolver } from "node:dns/promises";
import { SinkFault } from "./sink-fault.ts";

const TIMEOUT_MS = 2_000;
const TRIES = 2;

/** Questions to DNS; each throws SinkFault with reason NAME_UNKNOWN when there is no answer. */
export interface NameServers {
  /** Texts of the TXT records of a name; the strings of one record are joined (RFC 7208, section 3.3). */
  texts(name: string): Promise<readonly string[]>;
  /** All addresses of a host. */
  addresses(host: string): Promise<readonly string[]>;
}

/** Asks `servers` (`address` or `address:port`), or the system's where there are none. */
export function createNameServers(servers: readonly string[] = []): NameServers {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    async texts(name) {
      try {
        return (await resolver.resolveTxt(name)).map((strings) => strings.join(""));
      } catch (error) {
        throw unknown(name, error);
      }
    },
    async addresses(host) {
      // Names below localhost are no business of DNS servers (RFC 6761, section 6.3).
      if (servers.length === 0 || /(^|\.)localhost\.?$/i.test(host)) return lookUp(host);
      const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const found = answers.flatMap((a) => (a.status === "fulfilled" ? a.value : []));
      const [first] = answers;
      if (found.length === 0 && first?.status === "rejected") throw unknown(host, first.reason);
      return found;
    },
  };
}

async function lookUp(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map((answer) => answer.address);
  } catch (cause) {
    throw new SinkFault("NAME_UNKNOWN", `${host} cannot be resolved`, { cause });
  }
}

function unknown(name: string, cause: unknown): SinkFault {
  const code = (cause as { code?: unknown }).code;
  return new SinkFault("NAME_UNKNOWN", `${name} cannot be resolved: ${String(code)}`, { cause });
}
