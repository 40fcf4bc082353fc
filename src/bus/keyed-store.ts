import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { nanos, nuid } from "@nats-io/transport-node";
import { askAgain } from "./asked-again.ts";
import { HEADERS } from "./commit-plan.ts";
import type { BusConnection } from "./connection.ts";
import { directGetRaw } from "./direct-get.ts";
import { MAX_BATCH_MESSAGES, type OutgoingMessage, type Publisher } from "./publisher.ts";
import { readBack } from "./read-back.ts";
import { logUnavailable, meaningOf, refusalError } from "./refusals.ts";
import { getStoredMessage } from "./stored-message.ts";
import type { SubjectNames } from "./subjects.ts";
import { ensureStore } from "./topology.ts";

/** A stored value. */
export interface KeyedEntry {
  /** Tokens of letters, digits, `-` and `_`, separated by dots. */
  readonly key: string;
  readonly value: Uint8Array;
  /** What the next write expects to find. */
  readonly sequence: number;
}

/** A value to write. */
export interface KeyedWrite {
  readonly key: string;
  readonly value: Uint8Array;
  /** Sequence that the key must have now: 0 for none. Left out, anything is replaced. */
  readonly expectedSequence?: number;
}

export interface KeyedStoreOptions {
  /** Bytes of all values; no limit when left out. */
  readonly maxBytes?: number;
  /** Values go this long after they were written; never when left out. */
  readonly maxAgeMs?: number;
}

/** A compacted stream: the last value of each key. */
export interface KeyedStore {
  /**
   * Writes up to 1,000 values of different keys, all or none, and answers with their new sequences.
   * Rejects with StaleKeysError when an expectation fails, and with LOG_UNAVAILABLE within 5 s when
   * the fate is unknown: then read the keys again.
   */
  writeMany(writes: readonly KeyedWrite[]): Promise<number[]>;
  get(key: string): Promise<KeyedEntry | undefined>;
  /** Values whose keys begin with these tokens (`a.b` finds `a.b.c`); all when it is empty. */
  list(prefix: string): Promise<KeyedEntry[]>;
  /** Keys that begin with these tokens, in no order, without their values. Fails with LOG_UNAVAILABLE. */
  keys(prefix: string): Promise<string[]>;
  /** Removes a key; with an expectation, as `writeMany`. */
  delete(key: string, expectedSequence?: number): Promise<void>;
  /**
   * Removes keys whatever they hold, for callers that no other writer can be in conflict with. Cheaper
   * than `delete`, which leaves a trace for writers that expect a sequence. Fails with LOG_UNAVAILABLE.
   */
  deleteMany(keys: readonly string[]): Promise<void>;
  /** Removes, likewise, the keys that begin with these tokens; `prefix` may not be empty. */
  deleteAll(prefix: string): Promise<void>;
}

/** Writes refused because keys changed since they were read: somebody else owns them now. */
export class StaleKeysError extends Error {
  override readonly name = "StaleKeysError";
  /** The keys at fault, with the sequences that they have. */
  readonly stale: ReadonlyMap<string, number>;

  constructor(stale: ReadonlyMap<string, number>) {
    super(`changed by another writer: ${[...stale.keys()].join(", ")}`);
    this.stale = stale;
  }
}

/** What a store is opened with. */
export interface KeyedStoreInput extends KeyedStoreOptions {
  readonly replicas: number;
  readonly connection: BusConnection;
  readonly publisher: Publisher;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
}

const WRITE_TIMEOUT_MS = 4_700;
const WRONG_SEQUENCE_PAUSE_MS = 10;
/** Removals that are asked for at once. */
const PURGES_AT_ONCE = 16;
/** On the value that ends a key. */
const TOMBSTONE = "Tributary-Deleted";

/** Opens a store by its name (lower-case letters and `-`), making its stream when it is new. */
export async function openKeyedStore(name: string, input: KeyedStoreInput): Promise<KeyedStore> {
  const stream = input.names.storeStream(name);
  const prefix = input.names.storePrefix(name);
  await ensureStore(input.jsm, {
    name: stream,
    subjects: [`${prefix}>`],
    storage: "file",
    max_msgs_per_subject: 1,
    max_bytes: input.maxBytes ?? -1,
    ...(input.maxAgeMs && { max_age: nanos(input.maxAgeMs) }),
    num_replicas: input.replicas,
    allow_direct: true,
    allow_atomic: true,
  });
  const store = { ...input, stream, prefix };
  return {
    async writeMany(writes) {
      if (writes.length === 0) return [];
      if (
        writes.length > MAX_BATCH_MESSAGES ||
        new Set(writes.map((w) => w.key)).size < writes.length
      ) {
        throw new Error(`at most ${MAX_BATCH_MESSAGES} writes, of different keys`);
      }
      const last = await write(writes, [], store);
      return writes.map((_, index) => last - writes.length + 1 + index);
    },
    get: (key) => get(key, store),
    list: (keys) => list(keys, store),
    keys: (keys) => listKeys(keys, store),
    deleteMany: (keys) => purgeKeys(keys, store),
    async deleteAll(keys) {
      if (keys === "") throw new Error("a prefix is needed");
      await purge(`${keys}.>`, store);
    },
    async delete(key, expectedSequence) {
      const tombstone = {
        key,
        value: new Uint8Array(),
        ...(expectedSequence === undefined ? {} : { expectedSequence }),
      };
      const sequence = await write([tombstone], [[TOMBSTONE, "1"]], store);
      await input.jsm.streams
        .purge(stream, { filter: prefix + key, seq: sequence + 1 })
        .catch((cause) => {
          throw logUnavailable(cause);
        });
    },
  };
}

interface Store extends KeyedStoreInput {
  readonly stream: string;
  readonly prefix: string;
}

/** Writes and answers with the sequence of the last message, in time. */
async function write(
  writes: readonly KeyedWrite[],
  extraHeaders: readonly [string, string][],
  store: Store,
): Promise<number> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const ending = new AbortController();
  const timer = setTimeout(() => {
    ending.abort();
    reject(logUnavailable("no answer in time"));
  }, WRITE_TIMEOUT_MS);
  try {
    return await Promise.race([
      late,
      tryWrite(writes, { ...store, extraHeaders, signal: ending.signal }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

interface WriteInput extends Store {
  readonly extraHeaders: readonly [string, string][];
  readonly signal: AbortSignal;
}

async function tryWrite(writes: readonly KeyedWrite[], store: WriteInput): Promise<number> {
  const writeId = nuid.next();
  const messages = writes.map((entry, index) =>
    toMessage(entry, {
      prefix: store.prefix,
      headers: index === 0 ? [...store.extraHeaders, [HEADERS.write, writeId]] : [],
    }),
  );
  for (;;) {
    store.signal.throwIfAborted();
    if (!store.connection.isConnected()) {
      await delay(20);
      continue;
    }
    const answer = await store.publisher.publish(messages, { timeoutMs: 3_000 });
    if (answer.kind === "stored") return answer.lastSequence;
    if (answer.kind === "unknown") return findWrite({ writeId, messages }, store);
    const meaning = meaningOf(answer.code, answer.text);
    if (meaning === "wrong-sequence") {
      const stale = await findStale(writes, store);
      if (stale.size > 0) throw new StaleKeysError(stale);
    } else if (meaning !== "retry") throw refusalError(meaning, answer.text);
    await delay(WRONG_SEQUENCE_PAUSE_MS);
  }
}

function toMessage(
  entry: KeyedWrite,
  { prefix, headers }: { prefix: string; headers: readonly (readonly [string, string])[] },
): OutgoingMessage {
  const expected: [string, string][] =
    entry.expectedSequence === undefined
      ? []
      : [["Nats-Expected-Last-Subject-Sequence", String(entry.expectedSequence)]];
  return { subject: prefix + entry.key, headers: [...headers, ...expected], data: entry.value };
}

async function findWrite(
  plan: { readonly writeId: string; readonly messages: readonly OutgoingMessage[] },
  store: WriteInput,
): Promise<number> {
  const last = await readBack(plan, { ...store, afterSequence: 0 }).catch(() => undefined);
  if (last === undefined) throw logUnavailable("the fate of the write is unknown");
  return last;
}

async function findStale(
  writes: readonly KeyedWrite[],
  { jsm, stream, prefix }: Store,
): Promise<Map<string, number>> {
  const stale = new Map<string, number>();
  for (const { key, expectedSequence } of writes) {
    if (expectedSequence === undefined) continue;
    const found = await getStoredMessage(jsm, stream, { last_by_subj: prefix + key }).catch(
      (cause) => {
        throw logUnavailable(cause);
      },
    );
    const sequence = found?.sequence ?? 0;
    if (sequence !== expectedSequence) stale.set(key, sequence);
  }
  return stale;
}

async function get(key: string, { jsm, stream, prefix }: Store): Promise<KeyedEntry | undefined> {
  const found = await getStoredMessage(jsm, stream, { last_by_subj: prefix + key }).catch(
    (cause) => {
      throw logUnavailable(cause);
    },
  );
  if (!found || found.headers.has(TOMBSTONE)) return undefined;
  return { key, value: found.data, sequence: found.sequence };
}

/** Walks the stream: a key that is written meanwhile moves ahead and is met again. */
async function list(keys: string, store: Store): Promise<KeyedEntry[]> {
  const entries = new Map<string, KeyedEntry>();
  for (let from = 1; ; ) {
    const page = await directGetRaw(store.connection, {
      stream: store.stream,
      filter: keys === "" ? `${store.prefix}>` : `${store.prefix}${keys}.>`,
      from: { sequence: from },
      maxMessages: 1_000,
      maxBytes: 4 * 1024 * 1024,
    });
    for (const message of page) {
      const key = message.subject.slice(store.prefix.length);
      if (message.headers.has(TOMBSTONE)) entries.delete(key);
      else entries.set(key, { key, value: message.data, sequence: message.sequence });
    }
    const last = page.at(-1);
    if (!last) return [...entries.values()];
    from = last.sequence + 1;
  }
}

async function listKeys(keys: string, { jsm, stream, prefix }: Store): Promise<string[]> {
  const filter = keys === "" ? `${prefix}>` : `${prefix}${keys}.>`;
  const { state } = await askAgain(() =>
    jsm.streams.info(stream, { subjects_filter: filter }),
  ).catch((cause) => {
    throw logUnavailable(cause);
  });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}

async function purgeKeys(keys: readonly string[], store: Store): Promise<void> {
  let at = 0;
  const next = async () => {
    for (let key = keys[at++]; key !== undefined; key = keys[at++]) await purge(key, store);
  };
  await Promise.all(Array.from({ length: PURGES_AT_ONCE }, next));
}

async function purge(keys: string, { jsm, stream, prefix }: Store): Promise<void> {
  await jsm.streams.purge(stream, { filter: prefix + keys }).catch((cause) => {
    throw logUnavailable(cause);
  });
}
