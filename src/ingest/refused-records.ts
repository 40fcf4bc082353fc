/**
 * Counts the records of refused calls by stream (B11). What is refused is stored nowhere, so these counts are
 * gathered in memory and saved every second: a killed node loses those of its last second, and nothing else.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "../core/logger.ts";

/** What a stream refused since the last save. */
export interface RefusedCount {
  readonly streamUid: string;
  readonly projectUid: string;
  records: number;
  calls: number;
  lastTimeMs: number;
}

/** A stream, as far as counting goes. */
type CountedStream = { readonly uid: string; readonly projectUid: string };

/** The counter of this node. */
export interface RefusedRecords {
  note(stream: CountedStream, records: number): void;
  /** Saves what was gathered; runs by itself every second. */
  flush(): Promise<void>;
  /** Saves a last time. Idempotent. */
  close(): Promise<void>;
}

/** What the counter needs. */
export interface RefusedRecordsOptions {
  /** Adds counts to those that are saved. */
  readonly save: (counts: readonly RefusedCount[]) => Promise<void>;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/** Streams that are counted at once; beyond it new ones wait for the next save. */
const STREAMS_MAX = 10_000;

/** Begins to count. */
export function createRefusedRecords(options: RefusedRecordsOptions): RefusedRecords {
  const { save, logger, everyMs = 1_000 } = options;
  let gathered = new Map<string, RefusedCount>();
  const add = ({ streamUid, projectUid, records, calls, lastTimeMs }: RefusedCount) => {
    const known = gathered.get(streamUid);
    if (known) {
      known.records += records;
      known.calls += calls;
      known.lastTimeMs = Math.max(known.lastTimeMs, lastTimeMs);
    } else if (gathered.size < STREAMS_MAX) {
      gathered.set(streamUid, { streamUid, projectUid, records, calls, lastTimeMs });
    }
  };
  const flush = async () => {
    if (gathered.size === 0) return;
    const counts = [...gathered.values()];
    gathered = new Map();
    try {
      await save(counts);
    } catch (error) {
      logger.debug("counts of refused records are saved later", { error });
      for (const count of counts) add(count);
    }
  };
  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();
  return {
    note: ({ uid, projectUid }, records) =>
      add({ streamUid: uid, projectUid, records, calls: 1, lastTimeMs: Date.now() }),
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

/** Faults of the server, after which nobody knows what is stored: nothing was refused. */
const UNKNOWN_FATE: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
]);

/** Whether an error says that a call is refused, so that nothing of it is stored. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConnectError && !UNKNOWN_FATE.has(error.code);
}

/** Beside the error, so that answers stay as they are. */
const unread = new WeakMap<object, number>();

/** Notes how many records of a body were read when it was refused; at least the one at fault. */
export function noteUnread(error: unknown, records: number): void {
  if (isRefusal(error)) unread.set(error as ConnectError, Math.max(1, records));
}

/** The number of them; undefined when the call was not refused while its body was read. */
export function unreadOf(error: object): number | undefined {
  return unread.get(error);
}
