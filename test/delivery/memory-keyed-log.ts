import type { KeyedLog } from "../../src/bus/index.ts";
import { createMemoryStore } from "./memory-store.ts";

/** A keyed log in memory; `now` stamps its entries. */
export function createMemoryKeyedLog(
  now: () => number,
): KeyedLog & { readonly store: ReturnType<typeof createMemoryStore> } {
  const store = createMemoryStore();
  const times = new Map<number, number>();
  return {
    ...store,
    store,
    async writeMany(writes) {
      const sequences = await store.writeMany(writes);
      for (const sequence of sequences) times.set(sequence, now());
      return sequences;
    },
    async page(prefix, { afterSequence, maxEntries, maxBytes }) {
      const all = (await store.list(prefix))
        .filter(({ sequence }) => sequence > afterSequence)
        .sort((a, b) => a.sequence - b.sequence);
      let bytes = 0;
      const fits = all.filter(({ value }, i) => {
        bytes += value.byteLength;
        return i === 0 || bytes <= maxBytes;
      });
      return fits
        .slice(0, maxEntries)
        .map((entry) => ({ ...entry, timeMs: times.get(entry.sequence) ?? 0 }));
    },
    async deleteThrough(prefix, sequence) {
      const gone = (await store.list(prefix)).filter((entry) => entry.sequence <= sequence);
      await store.deleteMany(gone.map(({ key }) => key));
    },
  };
}
