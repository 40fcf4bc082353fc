/** Addresses that abused the protocol, for a while. */

/** Bounded: the oldest ban is forgotten first. */
export interface AddressBan {
  add(address: string): void;
  has(address: string): boolean;
}

const ADDRESSES_MAX = 10_000;

/** Bans last `ms`. */
export function createAddressBan(
  ms: number,
  now: () => number = () => performance.now(),
): AddressBan {
  const until = new Map<string, number>();
  return {
    add(address) {
      until.delete(address);
      until.set(address, now() + ms);
      const [oldest] = until.keys();
      if (until.size > ADDRESSES_MAX && oldest !== undefined) until.delete(oldest);
    },
    has(address) {
      const end = until.get(address);
      if (end !== undefined && end <= now()) until.delete(address);
      return until.has(address);
    },
  };
}
