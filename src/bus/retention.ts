import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { LogLedger, TrimRequest } from "./log-account.ts";
import type { MissingReport } from "./missing-messages.ts";
import type { FullLogsNotice } from "./room.ts";
import { ShardLedgers } from "./shard-ledgers.ts";
import { storedBytes, walkShard } from "./shard-walk.ts";
import type { SubjectNames } from "./subjects.ts";

/** A log may grow to this part of its bytes while its trim is under way. */
const OVERSHOOT = 1.25;

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
  /** How often limits are enforced and writers are told; 1 s. */
  readonly everyMs?: number;
}

/** The keeper of one shard's retention. */
export interface Retention {
  readonly shard: number;
  /** The account of a log; undefined while the keeper still counts what is stored. */
  accountOf(logUid: string): LogAccount | undefined;
  /** A message above the edge was stored; ascending, without gaps. */
  stored(message: LogMessage): void;
  /** Enforces the limits now. */
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
  readonly #full = new Set<string>();
  #walking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #enforcing: Promise<void> | undefined;
  #isReady = false;
  #isClosed = false;

  constructor(input: RetentionInput) {
    this.#input = input;
    this.#stream = input.names.shardStream(input.shard);
  }

  start(): void {
    this.#walking = this.#walk();
    this.#timer = setInterval(() => {
      // Writers hear of full logs in time although a booking takes long.
      if (this.#enforcing) this.#tellWriters();
      else void this.enforce();
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
  }

  enforce(): Promise<void> {
    this.#enforcing ??= this.#enforceAll()
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

  async #enforceAll(): Promise<void> {
    if (!this.#isReady || this.#isClosed) return;
    this.#tellWriters();
    const due = this.#dueLogs();
    if (due.length === 0) return;
    await Promise.all(due.map((log) => this.#enforceOne(log)));
    this.#tellWriters();
  }

  /** Logs of which something may go: of ten thousand mostly none. */
  #dueLogs(): DueLog[] {
    const due: DueLog[] = [];
    const nowMs = this.#nowMs();
    for (const [logUid, ledger] of this.#ledgers.all()) {
      const limits = this.#input.limitsOf(logUid);
      const isDue =
        limits &&
        ledger.isDue({ beforeTimeMs: nowMs - limits.maxAgeMs, maxBytes: limits.maxBytes });
      if (isDue) due.push({ logUid, ledger, limits });
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

  #tellWriters(): void {
    if (!this.#isReady || this.#isClosed || this.#input.nc.isClosed()) return;
    for (const [logUid, ledger] of this.#ledgers.all()) {
      const limits = this.#input.limitsOf(logUid);
      if (limits && this.#isFull(ledger, limits)) this.#full.add(logUid);
      else this.#full.delete(logUid);
    }
    const notice: FullLogsNotice = { logs: [...this.#full] };
    this.#input.nc.publish(this.#input.names.fullLogs(this.#input.shard), JSON.stringify(notice));
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
