/**
 * The attempt log of a node: attempts wait in a bounded queue and are written a few times a second.
 * Delivery never waits for it; what does not fit is dropped and counted. Failures are kept in full;
 * of successes that follow each other quickly only one a second keeps what was said.
 */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  type AttemptExchange,
  AttemptSchema,
  Attempt_State as State,
} from "#gen/tributary/management/v1/attempt_pb.js";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { AttemptLog, AttemptNote } from "../core/attempt.ts";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import { type AttemptLimits, insertAttempts, type NewAttempt, rowOf } from "./attempt-store.ts";
import { createAttemptTrim } from "./attempt-trim.ts";
import { maskExchange, secretsOf } from "./mask-exchange.ts";

/** What the log works with. */
export interface AttemptLogOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly limits: AttemptLimits;
  /** A configuration as it may be shown. */
  readonly mask: (config: Sink["config"]) => Sink["config"];
  readonly now?: () => number;
  /** How often what waits is written; 500 ms. */
  readonly flushMs?: number;
  /** Attempts and bytes that wait at most; 10,000 and 16 MiB. */
  readonly queueMax?: number;
  readonly queueBytesMax?: number;
}

/** A log that runs. */
export interface RunningAttemptLog extends AttemptLog {
  /** Writes what waits. Never rejects. */
  flush(): Promise<void>;
  /** Writes what waits, for 2 s at most. Idempotent. */
  close(): Promise<void>;
}

const FLUSH_MS = 500;
const QUEUE_MAX = 10_000;
const QUEUE_BYTES_MAX = 16 * 1024 * 1024;
const WRITE_MAX = 500;
const TRIM_MS = 30_000;
/** How long nothing is written after Postgres was away. */
const REST_MS = 5_000;
const SAMPLE_MS = 1_000;
const TEXT_MAX = 2_000;
const CLOSE_MS = 2_000;

/** Opens the log; its owner closes it. */
export function openAttemptLog(options: AttemptLogOptions): RunningAttemptLog {
  const { now = Date.now, flushMs = FLUSH_MS } = options;
  const queue = createQueue(options);
  const encode = createEncoder(options, now);
  const attemptTrim = createAttemptTrim(options.database, options.limits);
  let trimmedAtMs = now();
  let restUntilMs = 0;
  let writing: Promise<void> | undefined;

  const write = async () => {
    while (queue.hasSome) {
      const { rows, drops } = queue.take(WRITE_MAX);
      try {
        await insertAttempts(options.database, rows, drops);
      } catch (error) {
        queue.dropAll([...rows.map(({ sinkUid }) => sinkUid)], drops);
        restUntilMs = now() + REST_MS;
        options.logger.debug("attempts cannot be written for now", { error: String(error) });
        return;
      }
      attemptTrim.wrote(rows);
    }
  };
  const trim = async () => {
    trimmedAtMs = now();
    await attemptTrim.run(trimmedAtMs);
  };
  const flush = () => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  const turn = async () => {
    if (now() < restUntilMs) return;
    await flush();
    if (now() - trimmedAtMs < TRIM_MS) return;
    await trim().catch((error: unknown) => {
      options.logger.debug("attempts cannot be trimmed for now", { error: String(error) });
    });
  };
  const timer = setInterval(() => void turn(), flushMs);
  timer.unref();
  return {
    note(attempt) {
      try {
        queue.add(encode(attempt));
      } catch (error) {
        options.logger.warn("an attempt could not be noted", { error: String(error) });
      }
    },
    flush,
    async close() {
      clearInterval(timer);
      let late: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        late = setTimeout(resolve, CLOSE_MS);
      });
      await Promise.race([flush(), limit]);
      clearTimeout(late);
    },
  };
}

function createQueue({ queueMax = QUEUE_MAX, queueBytesMax = QUEUE_BYTES_MAX }: AttemptLogOptions) {
  let rows: NewAttempt[] = [];
  let bytes = 0;
  let drops = new Map<string, number>();
  const drop = (sinkUid: string, count = 1) =>
    drops.set(sinkUid, (drops.get(sinkUid) ?? 0) + count);
  return {
    get hasSome() {
      return rows.length > 0 || drops.size > 0;
    },
    add(row: NewAttempt) {
      if (rows.length >= queueMax || bytes + row.size > queueBytesMax)
        return void drop(row.sinkUid);
      rows.push(row);
      bytes += row.size;
    },
    take(count: number) {
      const taken = { rows: rows.slice(0, count), drops };
      rows = rows.slice(count);
      drops = new Map();
      for (const { size } of taken.rows) bytes -= size;
      return taken;
    },
    dropAll(sinkUids: readonly string[], counts: ReadonlyMap<string, number>) {
      for (const sinkUid of sinkUids) drop(sinkUid);
      for (const [sinkUid, count] of counts) drop(sinkUid, count);
    },
  };
}

/** Makes rows of notes; remembers the secrets of configurations, and when a sink was last sampled. */
function createEncoder({ mask }: AttemptLogOptions, now: () => number) {
  const secrets = new WeakMap<Sink, readonly string[]>();
  const sampledAtMs = new Map<string, number>();
  const secretsFor = (sink: Sink) => {
    const known = secrets.get(sink) ?? secretsOf(sink.config, mask(sink.config));
    secrets.set(sink, known);
    return known;
  };
  const isSampled = (sinkUid: string) => {
    if (now() - (sampledAtMs.get(sinkUid) ?? 0) < SAMPLE_MS) return false;
    if (sampledAtMs.size > 10_000) sampledAtMs.clear();
    sampledAtMs.set(sinkUid, now());
    return true;
  };
  return (note: AttemptNote): NewAttempt => {
    const { sink, state } = note;
    const isFailure = state !== State.DELIVERED && state !== State.STAGED;
    const isFull = note.exchanges.length > 0 && (isFailure || isSampled(sink.uid));
    const { versions } = sink;
    const version = versions.find((v) => v.version === note.version) ?? versions.at(-1)!;
    const known = secretsFor(version.sink);
    const exchanges = isFull ? note.exchanges.map((e) => maskExchange(e, known)) : [];
    return rowOf(messageOf(note, exchanges, known), {
      sinkUid: sink.uid,
      createTime: new Date(note.startMs),
      isFailure,
      firstSequence: note.ranges[0]?.from.sequence ?? 0,
      lastSequence: note.ranges.at(-1)?.to.sequence ?? 0,
    });
  };
}

/** Filled field by field: attempts are many, and an initializer costs several times as much. */
function messageOf(
  note: AttemptNote,
  exchanges: AttemptExchange[],
  secrets: readonly string[],
): Attempt {
  const why = secrets.reduce((text, secret) => text.replaceAll(secret, "***"), note.why);
  const place = (at: { sequence: number; index: number } | undefined) =>
    at ? `${at.sequence}-${at.index}` : "";
  const attempt = create(AttemptSchema);
  attempt.time = timestampFromMs(Math.round(note.startMs));
  attempt.duration = durationOf(note.durationMs);
  attempt.state = note.state;
  attempt.statusCode = note.exchanges.at(-1)?.answer?.status ?? 0;
  attempt.reason = note.reason;
  attempt.message = why.slice(0, TEXT_MAX);
  attempt.requestId = note.requestId;
  attempt.number = note.number;
  attempt.sinkVersion = BigInt(note.version);
  attempt.partition = note.partition;
  attempt.firstPlace = place(note.ranges[0]?.from);
  attempt.lastPlace = place(note.ranges.at(-1)?.to);
  attempt.recordCount = note.records;
  attempt.filteredCount = note.filtered;
  attempt.heldCount = note.held;
  attempt.replay = note.isReplay;
  attempt.flush = note.isFlush;
  if (note.ranges.length <= RANGES_MAX) attempt.ranges = note.ranges.map(rangeText);
  attempt.exchanges = exchanges;
  return attempt;
}

/** Ranges that are kept, to make a request again. */
const RANGES_MAX = 200;

function rangeText({ from, to }: AttemptNote["ranges"][number]): string {
  return `${from.sequence}-${from.index}/${to.sequence}-${to.index}`;
}

/** In whole microseconds. */
function durationOf(ms: number): Duration {
  const us = Math.max(0, Math.round(ms * 1_000));
  const duration = create(DurationSchema);
  duration.seconds = BigInt(Math.floor(us / 1e6));
  duration.nanos = (us % 1e6) * 1_000;
  return duration;
}
