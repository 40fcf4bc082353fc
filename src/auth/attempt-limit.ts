/**
 * Slows down guessing of secrets: after too many wrong ones in a minute, the same client id from the
 * same address is not tried any more, nor is an address that guesses over many client ids. The real
 * client is not locked out: it comes from another address.
 */
import { originOf } from "../core/client-origin.ts";
import type { ShareCounts } from "./shared-counts.ts";

/** Counters of wrong secrets. */
export interface AttemptLimit {
  /** Milliseconds to wait before the next try; 0 when it may be made now. */
  waitMs(clientId: string, address: string): number;
  /** Counts a wrong secret. */
  countFailure(clientId: string, address: string): void;
  /** Takes one count back: for tries that are counted before they are made. */
  forgive(clientId: string, address: string): void;
}

/** The limits, for tests. */
export interface AttemptLimitOptions {
  /** Wrong secrets of one client id from one address in a window. */
  readonly perClient?: number;
  /** Wrong secrets from one address in a window. */
  readonly perAddress?: number;
  readonly windowMs?: number;
  /** Counters in memory; beyond it the oldest are forgotten. */
  readonly countersMax?: number;
  readonly now?: () => number;
  /** Has every node count: the name of what is counted, and the way to tell. */
  readonly shared?: { readonly kind: string; readonly share: ShareCounts } | undefined;
}

interface Counter {
  failures: number;
  endMs: number;
}

/** Makes counters in memory, of this node alone unless they are shared: 10 per client and 100 per address a minute by default. */
export function createAttemptLimit(options: AttemptLimitOptions = {}): AttemptLimit {
  const { perClient = 10, perAddress = 100, windowMs = 60_000 } = options;
  const { countersMax = 20_000, now = Date.now } = options;
  const clients = new Map<string, Counter>();
  const addresses = new Map<string, Counter>();

  const wait = (counters: Map<string, Counter>, key: string, limit: number) => {
    const counter = counters.get(key);
    return counter && counter.failures >= limit ? Math.max(0, counter.endMs - now()) : 0;
  };
  const count = (counters: Map<string, Counter>, key: string, failures: number) => {
    const counter = counters.get(key);
    if (counter && counter.endMs > now()) {
      counter.failures = Math.max(0, counter.failures + failures);
      return;
    }
    if (failures <= 0) return;
    counters.delete(key);
    counters.set(key, { failures, endMs: now() + windowMs });
    if (counters.size > countersMax) {
      const [oldest] = counters.keys();
      counters.delete(oldest!);
    }
  };
  // The pair holds no address with a space, and no client id before its first one.
  const countPair = (pair: string, failures: number) => {
    count(clients, pair, failures);
    count(addresses, pair.slice(0, pair.indexOf(" ")), failures);
  };
  const tell = options.shared?.share(options.shared.kind, countPair);
  const countHere = (clientId: string, address: string, failures: number) => {
    const pair = pairKey(clientId, originOf(address));
    countPair(pair, failures);
    tell?.(pair, failures);
  };
  return {
    waitMs(clientId, address) {
      const origin = originOf(address);
      return Math.max(
        wait(clients, pairKey(clientId, origin), perClient),
        wait(addresses, origin, perAddress),
      );
    },
    countFailure: (clientId, address) => countHere(clientId, address, 1),
    forgive: (clientId, address) => countHere(clientId, address, -1),
  };
}

/** Client ids are at most 128 characters; what is longer is no client's and is cut. */
function pairKey(clientId: string, origin: string): string {
  return `${origin} ${clientId.slice(0, 128)}`;
}
