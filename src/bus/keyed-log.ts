/** A keyed store that is also read and emptied in the order of its writes. */
import { directGetRaw } from "./direct-get.ts";
import {
  type KeyedEntry,
  type KeyedStore,
  type KeyedStoreInput,
  openKeyedStore,
} from "./keyed-store.ts";
import { logUnavailable } from "./refusals.ts";

/** A value with the time of its write. */
export interface TimedEntry extends KeyedEntry {
  /** Milliseconds since 1970, by nats-server's clock. */
  readonly timeMs: number;
}

/** What one page holds at most. */
export interface KeyedPage {
  /** Values with greater sequences. */
  readonly afterSequence: number;
  readonly maxEntries: number;
  /** Bytes after which no further value is read. */
  readonly maxBytes: number;
}

/** A keyed store whose values have an order. */
export interface KeyedLog extends KeyedStore {
  /** Values whose keys begin with these tokens, oldest first. Fails with LOG_UNAVAILABLE. */
  page(prefix: string, page: KeyedPage): Promise<TimedEntry[]>;
  /**
   * Removes the values up to a sequence whose keys begin with these tokens, for callers that no other
   * writer can be in conflict with. Fails with LOG_UNAVAILABLE.
   */
  deleteThrough(prefix: string, sequence: number): Promise<void>;
}

/** Opens it by its name, as `openKeyedStore`. */
export async function openKeyedLog(name: string, input: KeyedStoreInput): Promise<KeyedLog> {
  const store = await openKeyedStore(name, input);
  const stream = input.names.storeStream(name);
  const prefix = input.names.storePrefix(name);
  return {
    ...store,
    async page(keys, { afterSequence, maxEntries, maxBytes }) {
      const messages = await directGetRaw(input.connection, {
        stream,
        filter: `${prefix}${keys}.>`,
        from: { sequence: afterSequence + 1 },
        maxMessages: maxEntries,
        maxBytes,
      });
      return messages.map(({ subject, data, sequence, timeMs }) => ({
        key: subject.slice(prefix.length),
        value: data,
        sequence,
        timeMs,
      }));
    },
    async deleteThrough(keys, sequence) {
      await input.jsm.streams
        .purge(stream, { filter: `${prefix}${keys}.>`, seq: sequence + 1 })
        .catch((cause) => {
          throw logUnavailable(cause);
        });
    },
  };
}
