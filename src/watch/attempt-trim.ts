/** When attempts of which sinks are trimmed: a sink that gained little since the last time can wait. */
import type { Database } from "../db/client.ts";
import { type AttemptLimits, forgetAttempts, type NewAttempt, trimSinks } from "./attempt-store.ts";

/** What a sink may gain between two trims, as a part of its bounds. */
const GAIN_SHARE = 0.02;
/** Sinks that one statement trims: of a thousand sinks a statement each took more than their deliveries. */
const SINKS_AT_ONCE = 20;
const SINKS_MAX = 100_000;

/** Trims what was written, now and then. */
export interface AttemptTrim {
  /** These were written. */
  wrote(rows: readonly NewAttempt[]): void;
  /** Deletes what is beyond the bounds, and what is too old. Fails with DATABASE_UNAVAILABLE. */
  run(nowMs: number): Promise<void>;
}

/** Begins without knowing what there is: a sink is looked at when it is written for the first time. */
export function createAttemptTrim(database: Database, limits: AttemptLimits): AttemptTrim {
  /** By sink, what it gained since it was trimmed. */
  const gains = new Map<string, { rows: number; bytes: number }>();
  const isDue = ({ rows, bytes }: { readonly rows: number; readonly bytes: number }) =>
    rows >= limits.rows * GAIN_SHARE || bytes >= limits.bytes * GAIN_SHARE;
  return {
    wrote(rows) {
      if (gains.size > SINKS_MAX) gains.clear();
      for (const { sinkUid, size } of rows) {
        const gain = gains.get(sinkUid) ?? { rows: Number.POSITIVE_INFINITY, bytes: 0 };
        gain.rows += 1;
        gain.bytes += size;
        gains.set(sinkUid, gain);
      }
    },
    async run(nowMs) {
      const due = [...gains].flatMap(([sinkUid, gain]) => (isDue(gain) ? [sinkUid] : []));
      for (let at = 0; at < due.length; at += SINKS_AT_ONCE) {
        const some = due.slice(at, at + SINKS_AT_ONCE);
        for (const sinkUid of some) gains.set(sinkUid, { rows: 0, bytes: 0 });
        await trimSinks(database, some, limits);
      }
      const before = new Date(nowMs - limits.ageMs);
      while (await forgetAttempts(database, before));
    },
  };
}
