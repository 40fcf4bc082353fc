import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { createFullLogs, type FullLogs } from "./full-logs.ts";
import { type LogLedger, OVERSHOOT, type TrimRequest } from "./log-account.ts";
import type { MissingReport } from "./missing-messages.ts";
import { ShardLedgers } from "./shard-ledgers.ts";
import { storedBytes, walkShard } from "./shard-walk.ts";
import type { SubjectNames } from "./subjects.ts";

/** Logs that neither grow nor wait for a trim are looked at in one round of so many, for age and new limits. */
const ROUNDS_TO_ALL = 10;

/** How much of a log is kept. */
export interface LogLimits {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /**
   * Lowest sequence that must stay whatever age and bytes say, because a sink that runs (or that
   * blocks pushes) has not settled it; Infinity when none needs it. Asked only when something may go, so
   * it may be found out then.
   */
  readonly keepFrom: number;
}

/** What a log holds, by the keeper's account. */
export interface LogAccount {
  readonly bytes: number;
  readonly messages: number;
  /** Whether pushes are refused because nothing may be trimmed. */
  readonly isFull: boolean;
}

/** What was trimmed of a log. */
export interface LogTrimmed {
  readonly logUid: string;
  /** Now the first sequence that may be stored. */
  readonly firstSequence: number;
}

export interface RetentionOptions {
  readonly shard: number;
  /**
   * Newest sequence when the node came to own the shard: the keeper is told of every message above it by
   * `stored`, so it reads none of them again. Left out, it follows the shard itself.
   */
  readonly edgeSequence?: number;
  /** Limits of a log; undefined for a log that nobody knows (it is left alone). */
  readonly limitsOf: (logUid: string) => LogLimits | undefined;
  /**
   * Awaited before anything below a sequence of a log goes, to book what is lost by it; when it rejects
   * nothing goes, and the next round tries again.
   */
  readonly onBeforeTrim?: (logUid: string, firstSequence: number) => Promise<void>;
  readonly onTrimmed?: (trimmed: LogTrimmed) => void;
  /** Is told what is missing although nobody removed it. Must not throw. */
  readonly onMissing?: (report: MissingReport) => void;
  /** Injected by tests. */
  readonly now?: () => number;
  /** How often limits are enforced and writers are told; 1 s, and ten times as long for a log at rest. */
  readonly everyMs?: number;
}

/** The keeper of one shard's retention. */
export interface Retention {
  readonly shard: number;
  /** The account of a log; undefined while the keeper still counts what is stored. */
  accountOf(logUid: string): LogAccount | undefined;
  /** A message above the edge was stored; ascending, without gaps. */
  stored(message: LogMessage): void;
  /** Enforces the limits of all logs now. */
  enforce(): Promise<void>;
  close(): Promise<void>;
}

interface RetentionInput extends RetentionOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly logger: Logger;
}

/**
 * Keeps the retention of a shard while its node owns it. Counts bytes per log by walking the headers
 * of what is stored, once (10 µs a message), and by what the owner is given from then on; then trims by age and bytes with
 * purges by subject up to a sequence, and tells all writers which logs are full.
 */
export function startRetention(input: RetentionInput): Retention {
  const keeper = new Keeper(input);
  keeper.start();
  return {
    shard: input.shard,
    accountOf: (logUid) => keeper.accountOf(logUid),
    stored: (message) => keeper.stored(message),
    enforce: () => keeper.enforce(),
    close: () => keeper.close(),
  };
}

interface DueLog {
  readonly logUid: string;
  readonly ledger: LogLedger;
  readonly limits: LogLimits;
}

class Keeper {
  readonly #input: RetentionInput;
  readonly #stream: string;
  readonly #ledgers = new ShardLedgers((logUid) => this.#bucketBytes(logUid));
  readonly #closing = new AbortController();
  readonly #full: FullLogs;
  /** Logs to look at in the next round. */
  readonly #stirred = new Set<string>();
  #rounds = 0;
  #walking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #enforcing: Promise<void> | undefined;
  #isReady = false;
  #isClosed = false;

  constructor(input: RetentionInput) {
    this.#input = input;
    this.#stream = input.names.shardStream(input.shard);
    this.#full = createFullLogs(input.nc, input.names.fullLogs(input.shard));
  }

  start(): void {
    this.#walking = this.#walk();
    this.#timer = setInterval(() => {
      // Writers hear of full logs in time although a booking takes long.
      if (this.#enforcing) this.#tellWriters(this.#stirred);
      else void this.#enforce(++this.#rounds % ROUNDS_TO_ALL === 0);
    }, this.#input.everyMs ?? 1_000);
  }

  accountOf(logUid: string): LogAccount | undefined {
    if (!this.#isReady) return undefined;
    const ledger = this.#ledgers.get(logUid);
    return {
      bytes: ledger?.bytes ?? 0,
      messages: ledger?.messages ?? 0,
      isFull: this.#full.has(logUid),
    };
  }

  stored(message: LogMessage): void {
    const { sequence, timeMs, data, logUid } = message;
    const subject = this.#input.names.records({ shard: this.#input.shard, ...message });
    const bytes = storedBytes(subject, data.length);
    this.#ledgers.came(logUid, { sequence, timeMs, bytes });
    this.#stirred.add(logUid);
  }

  async enforce(): Promise<void> {
    await this.#enforcing;
    await this.#enforce(true);
  }

  #enforce(isOfAll: boolean): Promise<void> {
    this.#enforcing ??= this.#enforceSome(isOfAll)
      .catch((error: unknown) => {
        this.#input.logger.warn("retention could not be enforced", { stream: this.#stream, error });
      })
      .finally(() => {
        this.#enforcing = undefined;
      });
    return this.#enforcing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#closing.abort();
    await this.#walking;
    await this.#enforcing;
  }

  async #enforceSome(isOfAll: boolean): Promise<void> {
    if (!this.#isReady || this.#isClosed) return;
    const logs = isOfAll ? [...this.#ledgers.uids()] : [...this.#stirred];
    this.#stirred.clear();
    this.#tellWriters(logs);
    const due = this.#dueLogs(logs);
    if (due.length === 0) return;
    await Promise.all(due.map((log) => this.#enforceOne(log)));
    this.#tellWriters(due.map(({ logUid }) => logUid));
  }

  /** Logs of which something may go: mostly none. They are looked at until nothing may. */
  #dueLogs(logs: Iterable<string>): DueLog[] {
    const due: DueLog[] = [];
    const nowMs = this.#nowMs();
    for (const logUid of logs) {
      const ledger = this.#ledgers.get(logUid);
      const limits = ledger && this.#input.limitsOf(logUid);
      const isDue =
        limits &&
        ledger.isDue({ beforeTimeMs: nowMs - limits.maxAgeMs, maxBytes: limits.maxBytes });
      if (!isDue) continue;
      due.push({ logUid, ledger, limits });
      this.#stirred.add(logUid);
    }
    return due;
  }

  async #enforceOne({ logUid, ledger, limits }: DueLog): Promise<void> {
    const point = ledger.trimPoint(this.#trimRequest(limits));
    if (point === undefined) return;
    try {
      await this.#trim(logUid, ledger, point);
    } catch (error) {
      this.#input.logger.warn("a log could not be trimmed", { logUid, error });
    }
  }

  #trimRequest({ maxAgeMs, maxBytes, keepFrom }: LogLimits): TrimRequest {
    return { beforeTimeMs: this.#nowMs() - maxAgeMs, maxBytes, keepFrom };
  }

  #nowMs(): number {
    return (this.#input.now ?? Date.now)();
  }

  /**
   * A log is full when its bytes are used up and what may be trimmed would not help; one that only waits
   * for its trim is not, unless pushes have run far ahead of it.
   */
  #isFull(ledger: LogLedger, limits: LogLimits): boolean {
    if (ledger.bytes < limits.maxBytes) return false;
    if (ledger.bytes >= limits.maxBytes * OVERSHOOT) return true;
    return ledger.bytesAfterTrim(this.#trimRequest(limits)) > limits.maxBytes;
  }

  async #trim(logUid: string, ledger: LogLedger, point: number): Promise<void> {
    await this.#input.onBeforeTrim?.(logUid, point);
    if (this.#isClosed) return;
    await this.#input.jsm.streams.purge(this.#stream, {
      filter: this.#input.names.recordsOfLog(this.#input.shard, logUid),
      seq: point,
    });
    ledger.trimmed(point);
    this.#input.onTrimmed?.({ logUid, firstSequence: point });
  }

  /** Says which logs are full, of which these may have become or ceased to be it. */
  #tellWriters(logs: Iterable<string>): void {
    if (!this.#isReady || this.#isClosed) return;
    for (const logUid of logs) {
      const ledger = this.#ledgers.get(logUid);
      const limits = ledger && this.#input.limitsOf(logUid);
      this.#full.set(logUid, limits ? this.#isFull(ledger, limits) : false);
    }
    this.#full.tell();
    for (const logUid of this.#full) this.#stirred.add(logUid);
  }

  async #walk(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#walkOnce();
        if (this.#input.edgeSequence !== undefined) return;
      } catch (error) {
        this.#input.logger.warn("retention lost its place", { stream: this.#stream, error });
      }
      if (this.#isClosed) return;
      // What was counted is counted again: purges may have happened meanwhile.
      this.#isReady = false;
      this.#ledgers.restart();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #walkOnce(): Promise<void> {
    const { edgeSequence } = this.#input;
    const { signal } = this.#closing;
    await walkShard({
      ...this.#input,
      ...{ signal, isEnding: edgeSequence !== undefined },
      onMessage: (logUid, entry) => {
        // What is above it comes by itself.
        if (edgeSequence === undefined || entry.sequence <= edgeSequence) {
          this.#ledgers.walked(logUid, entry);
          this.#stirred.add(logUid);
        }
      },
      onEnd: () => {
        this.#ledgers.done();
        this.#isReady = true;
      },
    });
  }

  /** A sixty-fourth of the limit, so that trimming by bytes takes little more than it must. */
  #bucketBytes(logUid: string): number {
    const limits = this.#input.limitsOf(logUid);
    return limits ? Math.min(1024 * 1024, Math.max(1, limits.maxBytes / 64)) : 64 * 1024;
  }
}
