import { type KeyedStore, StaleKeysError } from "../../src/bus/index.ts";

/** A keyed store in memory with the rules of the real one. */
export function createMemoryStore(): KeyedStore & { writes: number; fault: Error | undefined } {
  const entries = new Map<string, { value: Uint8Array; sequence: number }>();
  let sequence = 0;
  const store: KeyedStore & { writes: number; fault: Error | undefined } = {
    writes: 0,
    fault: undefined,
    async writeMany(writes) {
      await new Promise(setImmediate);
      if (store.fault) throw store.fault;
      const stale = new Map<string, number>();
      for (const { key, expectedSequence } of writes) {
        const found = entries.get(key)?.sequence ?? 0;
        if (expectedSequence !== undefined && found !== expectedSequence) stale.set(key, found);
      }
      if (stale.size > 0) throw new StaleKeysError(stale);
      store.writes += 1;
      return writes.map(({ key, value }) => {
        sequence += 1;
        entries.set(key, { value, sequence });
        return sequence;
      });
    },
    async get(key) {
      await new Promise(setImmediate);
      const entry = entries.get(key);
      return entry && { key, ...entry };
    },
    async list(prefix) {
      await new Promise(setImmediate);
      return [...entries]
        .filter(([key]) => prefix === "" || key.startsWith(`${prefix}.`))
        .map(([key, entry]) => ({ key, ...entry }));
    },
    async keys(prefix) {
      await new Promise(setImmediate);
      return [...entries.keys()].filter((key) => prefix === "" || key.startsWith(`${prefix}.`));
    },
    async delete(key) {
      entries.delete(key);
    },
    async deleteMany(keys) {
      await new Promise(setImmediate);
      for (const key of keys) entries.delete(key);
    },
    async deleteAll(prefix) {
      for (const key of entries.keys()) if (key.startsWith(`${prefix}.`)) entries.delete(key);
    },
  };
  return store;
}
