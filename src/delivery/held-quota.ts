/** The copies of one sink, with a bound: beyond it nothing is held any more, and so nothing passed (D5). */
import type { HeldEntry, HeldKey, HeldStore, HoldFacts, HoldInput } from "./held-store.ts";

const READ_COUNT = 256;
/** What stands with each copy beside its JSON, roughly, in bytes. */
const COPY_OVERHEAD_BYTES = 400;

/** How much may be held of one sink. */
export interface HeldLimits {
  readonly count: number;
  readonly bytes: number;
}

/** 100,000 copies and 1 GiB. */
export const HELD_LIMITS: HeldLimits = { count: 100_000, bytes: 1024 * 1024 * 1024 };

/** The held records of one sink, for its owner. */
export interface HeldQuota {
  /** Stores copies; gives false, and stores none, when there is no room for them. */
  put(rows: readonly HoldInput[], facts: HoldFacts): Promise<boolean>;
  /** Stores copies of records that are behind the cursor already: there is always room for them. */
  putAgain(rows: readonly HoldInput[], facts: HoldFacts): Promise<void>;
  keys(): Promise<HeldKey[]>;
  read(keys: readonly HeldKey[]): Promise<HeldEntry[]>;
  remove(keys: readonly HeldKey[]): Promise<void>;
  readonly limits: HeldLimits;
}

/** Opens the held records of a sink. What they take is counted when the first one is put. */
export function createHeldQuota(store: HeldStore, sinkUid: string, limits: HeldLimits): HeldQuota {
  let bytesOf: Map<string, number> | undefined;
  let bytes = 0;
  const forget = (id: string) => {
    bytes -= bytesOf?.get(id) ?? 0;
    bytesOf?.delete(id);
  };
  const note = (id: string, size: number) => {
    forget(id);
    bytesOf?.set(id, size);
    bytes += size;
  };
  const load = async () => {
    if (bytesOf) return bytesOf;
    const sizes = new Map<string, number>();
    const keys = await store.keys(sinkUid);
    for (let at = 0; at < keys.length; at += READ_COUNT) {
      for (const entry of await store.read(sinkUid, keys.slice(at, at + READ_COUNT))) {
        sizes.set(idOf(entry), entry.copy.json.byteLength + COPY_OVERHEAD_BYTES);
      }
    }
    bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    bytesOf = sizes;
    return sizes;
  };
  const putAll = async (rows: readonly HoldInput[], facts: HoldFacts) => {
    await store.put(sinkUid, rows, facts);
    for (const { row } of rows) note(idOf(row), sizeOf(row));
  };
  return {
    limits,
    async put(rows, facts) {
      const known = await load();
      const more = rows.filter(({ row }) => !known.has(idOf(row)));
      const added = more.reduce((sum, { row }) => sum + sizeOf(row), 0);
      const isFull = known.size + more.length > limits.count || bytes + added > limits.bytes;
      if (isFull && more.length > 0) return false;
      await putAll(rows, facts);
      return true;
    },
    putAgain: putAll,
    keys: () => store.keys(sinkUid),
    read: (keys) => store.read(sinkUid, keys),
    async remove(keys) {
      await store.remove(sinkUid, keys);
      for (const key of keys) forget(idOf(key));
    },
  };
}

function idOf({ place }: Pick<HeldKey, "place">): string {
  return `${place.sequence}-${place.index}`;
}

function sizeOf(row: { readonly jsonBytes: number }): number {
  return row.jsonBytes + COPY_OVERHEAD_BYTES;
}
