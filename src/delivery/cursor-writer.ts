/**
 * Writes the cursors of a shard's sinks: many in one atomic batch, the next batch as soon as the last
 * one is answered (group commit, no timer) when a request waits for it, else within 200 ms. Every write
 * expects the key's last sequence, so an owner that was replaced learns of it and stops.
 */
import { type KeyedStore, StaleKeysError } from "../bus/index.ts";
import type { Logger } from "../core/logger.ts";
import { decodeSinkState } from "./sink-state.ts";

/** Longest wait of a write that nobody waits for. */
const LAZY_MS = 200;
const BATCH_MAX = 200;
/** Values in a batch, those of its last sink aside. */
const BATCH_VALUES_MAX = 400;
const BATCH_BYTES_MAX = 512 * 1024;
const RETRY_MS = [50, 100, 200, 500, 1_000];

/** What is written of a sink at once. */
export interface EncodedCursor {
  readonly value: Uint8Array;
  /** Other values that only the owner of the key writes; at most 400. */
  readonly beside: readonly { readonly key: string; readonly value: Uint8Array }[];
  /** Keys that may go when it is stored. */
  readonly gone: readonly string[];
  /** Runs once it is stored. */
  readonly done: () => void;
}

/** What the writer writes for. */
export interface CursorClient {
  readonly key: string;
  readonly owner: string;
  /** Sequence of the key's newest value. */
  expectedSequence: number;
  /** When a write last succeeded, in `performance.now()` terms. */
  confirmedAtMs: number;
  /** The value as of now. */
  encode(): EncodedCursor;
  /** Another owner wrote the key. */
  fenced(): void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The writer of one shard. */
export class CursorWriter {
  readonly #state: KeyedStore;
  readonly #logger: Logger;
  readonly #dirty = new Set<CursorClient>();
  /** Those of the dirty ones whose write is waited for; the others join none of their batches. */
  readonly #urgent = new Set<CursorClient>();
  readonly #waiters = new Map<CursorClient, Waiter[]>();
  #isWriting = false;
  #isClosed = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(state: KeyedStore, logger: Logger) {
    this.#state = state;
    this.#logger = logger;
  }

  /** Asks for a write: at once, or (lazily) within 200 ms. */
  write(client: CursorClient, isUrgent: boolean): void {
    if (this.#isClosed) return;
    this.#dirty.add(client);
    if (isUrgent) this.#urgent.add(client);
    if (this.#failures > 0) return;
    if (!isUrgent) this.#timer ??= setTimeout(() => this.#kickAll(), LAZY_MS);
    else if (!this.#isWriting) void this.#run();
  }

  /** Writes all that has waited. */
  #kickAll(): void {
    this.#timer = undefined;
    for (const client of this.#dirty) this.#urgent.add(client);
    void this.#run();
  }

  /** Resolves when the state as of now is stored; rejects when fenced or closed. */
  confirm(client: CursorClient): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error("the cursor writer is closed"));
      const waiters = this.#waiters.get(client) ?? [];
      this.#waiters.set(client, waiters);
      waiters.push({ resolve, reject });
      this.write(client, true);
    });
  }

  /** Forgets a client that stopped. */
  remove(client: CursorClient): void {
    this.#forget(client);
    this.#reject(client, new Error("the sink was stopped"));
  }

  /** Stops writing. Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const client of [...this.#waiters.keys()]) this.remove(client);
    this.#dirty.clear();
    this.#urgent.clear();
  }

  #forget(client: CursorClient): void {
    this.#dirty.delete(client);
    this.#urgent.delete(client);
  }

  async #run(): Promise<void> {
    if (this.#isWriting || this.#isClosed) return;
    this.#isWriting = true;
    try {
      // Everything that becomes dirty in this turn of the event loop joins the batch.
      await new Promise(setImmediate);
      while (this.#urgent.size > 0 && !this.#isClosed) await this.#writeBatch();
      this.#failures = 0;
    } catch (error) {
      const waitMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!;
      this.#failures += 1;
      this.#logger.warn("cursors could not be written", { error: String(error), waitMs });
      clearTimeout(this.#timer);
      if (!this.#isClosed) this.#timer = setTimeout(() => this.#kickAll(), waitMs);
    } finally {
      this.#isWriting = false;
    }
  }

  async #writeBatch(): Promise<void> {
    const batch: CursorClient[] = [];
    const jobs: (EncodedCursor & { waiters: Waiter[] })[] = [];
    let bytes = 0;
    let values = 0;
    for (const client of this.#urgent) {
      if (batch.length === BATCH_MAX || bytes > BATCH_BYTES_MAX) break;
      if (values > BATCH_VALUES_MAX) break;
      const job = this.#encode(client);
      if (!job) continue;
      const waiters = this.#waiters.get(client) ?? [];
      this.#waiters.delete(client);
      batch.push(client);
      jobs.push({ ...job, waiters });
      for (const { value } of [job, ...job.beside]) bytes += value.byteLength;
      values += 1 + job.beside.length;
      this.#forget(client);
    }
    if (batch.length === 0) return;
    const startMs = performance.now();
    const restore = (i: number) => {
      this.#dirty.add(batch[i]!);
      this.#urgent.add(batch[i]!);
      const later = this.#waiters.get(batch[i]!) ?? [];
      this.#waiters.set(batch[i]!, [...jobs[i]!.waiters, ...later]);
    };
    const writes = batch.map((client, i) => ({
      key: client.key,
      value: jobs[i]!.value,
      expectedSequence: client.expectedSequence,
    }));
    try {
      const beside = jobs.flatMap((job) => job.beside);
      const sequences = await this.#state.writeMany([...writes, ...beside]);
      batch.forEach((client, i) => {
        client.expectedSequence = sequences[i]!;
        client.confirmedAtMs = startMs;
        jobs[i]!.done();
        for (const waiter of jobs[i]!.waiters) waiter.resolve();
      });
      await this.#remove(jobs.flatMap((job) => job.gone));
    } catch (error) {
      for (let i = 0; i < batch.length; i++) restore(i);
      if (!(error instanceof StaleKeysError)) throw error;
      for (const client of batch) await this.#check(client);
    }
  }

  /** What stays is removed by the next owner. */
  async #remove(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#state.deleteMany(keys).catch((error: unknown) => {
      this.#logger.debug("leftovers of cursors could not be removed", { error: String(error) });
    });
  }

  /** One sink whose state cannot be written stops no other (D4): it starts again from what is stored. */
  #encode(client: CursorClient): ReturnType<CursorClient["encode"]> | undefined {
    try {
      return client.encode();
    } catch (error) {
      this.#logger.error("a cursor could not be encoded", { key: client.key, error });
      this.remove(client);
      client.fenced();
      return undefined;
    }
  }

  /** After a refused batch: a key that we wrote ourselves goes on, one that another wrote is fenced. */
  async #check(client: CursorClient): Promise<void> {
    const entry = await this.#state.get(client.key);
    const sequence = entry?.sequence ?? 0;
    if (sequence === client.expectedSequence) return;
    if (entry && decodeSinkState(entry.value).owner === client.owner) {
      client.expectedSequence = sequence;
      return;
    }
    this.#forget(client);
    this.#reject(client, new Error("another node has taken over this sink"));
    client.fenced();
  }

  #reject(client: CursorClient, error: Error): void {
    const waiters = this.#waiters.get(client) ?? [];
    this.#waiters.delete(client);
    for (const waiter of waiters) waiter.reject(error);
  }
}
