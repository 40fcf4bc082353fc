import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogAppended, LogCall, LogPart, LogWriter } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { type ByteBudget, createByteBudget } from "./byte-budget.ts";
import type { PendingCall } from "./commit-queue.ts";
import { createCommitTurns } from "./commit-turns.ts";
import type { BusConnection } from "./connection.ts";
import type { LogCounts } from "./log-counts.ts";
import { MAX_BATCH_MESSAGES, type Publisher } from "./publisher.ts";
import { logUnavailable } from "./refusals.ts";
import { ShardWriter } from "./shard-writer.ts";
import type { SubjectNames } from "./subjects.ts";

/** Callers wait for 5 s at most; this leaves time to answer them. */
const CALL_TIMEOUT_MS = 4_700;
const SWEEP_MS = 100;
/** How long a close waits for calls that are on their way. */
const DRAIN_MS = 1_500;

export interface LogWriterOptions {
  readonly connection: BusConnection;
  readonly publisher: Publisher;
  /** The way of large calls. */
  readonly large: { readonly connection: BusConnection; readonly publisher: Publisher };
  readonly counts: LogCounts;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly shards: number;
  /** Newest sequence of each shard when the writer opens. */
  readonly lastSequences: readonly number[];
  /** Bytes of all calls that wait for their answer; 64 MiB. */
  readonly maxBytesInFlight?: number;
  /** Largest block that fits a message of the log. */
  readonly maxBlockBytes: number;
  /** Throws when a log may not grow (STREAM_FULL). */
  readonly checkRoom: (shard: number, logUid: string, bytes: number) => void;
  readonly logger: Logger;
}

/** A writer that can be closed: calls without an answer then fail with LOG_UNAVAILABLE. */
export interface ClosableLogWriter extends LogWriter {
  /** Bytes of the calls that wait for their answer. */
  bytesInFlight(): number;
  close(): Promise<void>;
}

/** Opens the writer of all shards. */
export function createLogWriter(options: LogWriterOptions): ClosableLogWriter {
  const turns = createCommitTurns();
  const shards = Array.from({ length: options.shards }, (_, shard) => {
    const lastSequence = options.lastSequences[shard] ?? 0;
    return new ShardWriter({ ...options, turns, shard, lastSequence });
  });
  const budget = createByteBudget({
    maxBytes: options.maxBytesInFlight ?? 64 * 1024 * 1024,
    maxShare: 0.25,
  });
  const waiting = createWaitingCalls(budget);
  const keyed = new Map<string, Promise<unknown>>();
  let isClosed = false;

  const submit = (call: LogCall, deadlineMs: number): Promise<LogAppended> => {
    const bytes = bytesOf(call);
    if (!budget.take(call.projectUid, bytes)) {
      throw fail("OVERLOADED", "too many bytes wait for the log", { retryAfterMs: 1_000 });
    }
    const pending = waiting.add(call, bytes, deadlineMs);
    shards[call.shard]!.push(pending);
    return pending.answer;
  };
  /** Two calls with one id must not meet in one publish: the later one waits for the first. */
  const submitKeyed = async (call: LogCall, id: string, deadlineMs: number) => {
    const slot = `${call.shard}.${id}`;
    for (let first = keyed.get(slot); first; first = keyed.get(slot)) {
      await first.catch(() => undefined);
    }
    const answer = submit(call, deadlineMs);
    keyed.set(slot, answer);
    try {
      return await answer;
    } finally {
      keyed.delete(slot);
    }
  };
  const take = (call: LogCall): Promise<LogAppended> => {
    if (isClosed) throw fail("SHUTTING_DOWN", "the log is closed", { retryAfterMs: 1_000 });
    if (call.parts.length === 0) return Promise.resolve({ places: [], isDuplicate: false });
    checkNames(call, options.shards);
    checkSize(call, options.maxBlockBytes);
    options.checkRoom(call.shard, call.logUid, bytesOf(call));
    const deadlineMs = performance.now() + CALL_TIMEOUT_MS;
    return call.idempotency
      ? submitKeyed(call, call.idempotency.id, deadlineMs)
      : submit(call, deadlineMs);
  };
  return {
    append(call) {
      try {
        return take(call);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    bytesInFlight: () => budget.taken(),
    async close() {
      isClosed = true;
      if (options.connection.isConnected()) await waiting.drain(DRAIN_MS);
      waiting.close();
      await Promise.all(shards.map((shard) => shard.close()));
    },
  };
}

/** What a call takes in memory and in the log, about. */
function bytesOf(call: LogCall): number {
  let bytes = 256;
  for (const part of call.parts) bytes += part.block.length;
  return bytes;
}

/** The last name that was good: most calls follow others to their log. */
let goodLogUid = "";

/** Names become subjects and headers, so a slip of our own must not get that far. */
function checkNames(call: LogCall, shards: number): void {
  const { idempotency } = call;
  const isGood =
    call.shard < shards &&
    (call.logUid === goodLogUid || /^[A-Za-z0-9_-]{1,64}$/.test(call.logUid)) &&
    call.parts.every(hasPartition) &&
    Number.isSafeInteger(call.generation) &&
    (!idempotency || /^[\x21-\x7e]{1,64}$/.test(idempotency.id)) &&
    (!idempotency || /^[\x21-\x7e]{1,128}$/.test(idempotency.bodyHash));
  if (!isGood) throw new Error("a call has a name that cannot stand in a subject or header");
  goodLogUid = call.logUid;
}

const hasPartition = (part: LogPart) => Number.isSafeInteger(part.partition);

function checkSize(call: LogCall, maxBlockBytes: number): void {
  if (call.parts.length > MAX_BATCH_MESSAGES) {
    throw fail("TOO_LARGE", `a call may bring at most ${MAX_BATCH_MESSAGES} blocks`);
  }
  for (const part of call.parts) {
    if (part.block.length > maxBlockBytes) {
      throw fail("TOO_LARGE", `a record may take at most ${maxBlockBytes} bytes with its headers`);
    }
  }
}

/** What the calls without an answer have in common. */
interface WaitingList {
  readonly calls: WaitingCall[];
  readonly budget: ByteBudget;
}

/** A class, for a push makes one each time: closures over it were a twentieth of its cost. */
class WaitingCall implements PendingCall {
  readonly call: LogCall;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly answer: Promise<LogAppended>;
  isSettled = false;
  /** Where it stands in the list of all. */
  place: number;
  readonly #list: WaitingList;
  #tell!: (answer: LogAppended) => void;
  #refuse!: (error: Error) => void;

  constructor(
    list: WaitingList,
    { call, bytes, deadlineMs }: Pick<PendingCall, "call" | "bytes" | "deadlineMs">,
  ) {
    this.call = call;
    this.bytes = bytes;
    this.deadlineMs = deadlineMs;
    this.answer = new Promise((resolve, reject) => {
      this.#tell = resolve;
      this.#refuse = reject;
    });
    this.#list = list;
    this.place = list.calls.push(this) - 1;
  }

  resolve(answer: LogAppended): void {
    if (this.#end()) this.#tell(answer);
  }

  reject(error: Error): void {
    if (this.#end()) this.#refuse(error);
  }

  #end(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    const { calls, budget } = this.#list;
    const last = calls.pop()!;
    if (last !== this) {
      last.place = this.place;
      calls[this.place] = last;
    }
    budget.release(this.call.projectUid, this.bytes);
    return true;
  }
}

/**
 * Calls without an answer, and the sweep that ends those past their deadline. A list, for the tables of a
 * set that is filled and emptied all the time outlive what they held, and keep it from the collector.
 */
function createWaitingCalls(budget: ByteBudget) {
  const calls: WaitingCall[] = [];
  const list = { calls, budget };
  let sweeping: NodeJS.Timeout | undefined;
  const sweep = () => {
    const now = performance.now();
    for (const pending of [...calls]) {
      if (pending.deadlineMs <= now) pending.reject(logUnavailable("no answer in time"));
    }
    if (calls.length > 0) return;
    clearInterval(sweeping);
    sweeping = undefined;
  };
  return {
    add(call: LogCall, bytes: number, deadlineMs: number): WaitingCall {
      const pending = new WaitingCall(list, { call, bytes, deadlineMs });
      sweeping ??= setInterval(sweep, SWEEP_MS);
      return pending;
    },
    async drain(timeoutMs: number) {
      const endMs = performance.now() + timeoutMs;
      while (calls.length > 0 && performance.now() < endMs) await delay(5);
    },
    close() {
      for (const pending of [...calls]) pending.reject(logUnavailable("closed"));
      sweep();
    },
  };
}
