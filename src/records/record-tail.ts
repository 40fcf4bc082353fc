/**
 * The flow of TailRecords: gathers what arrives close together, drops what is above the wanted rate
 * (and counts it), and gives an empty sign of life every 15 s.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogMessage } from "../core/log.ts";
import { type PlacedRecord, readRecords } from "./placed-record.ts";
import type { RecordMatcher } from "./record-matcher.ts";

/** One message of a tail. */
export interface TailStep {
  readonly records: readonly PlacedRecord[];
  readonly skipped: number;
}

const SIGN_OF_LIFE_MS = 15_000;
/** Records in one step: bounds the answer's size. */
const STEP_RECORDS_MAX = 500;

/** Follows messages; ends when they end. */
export async function* createTail(options: {
  readonly messages: AsyncIterable<LogMessage>;
  readonly matcher: RecordMatcher;
  readonly rateMax: number;
  readonly now: () => number;
}): AsyncGenerator<TailStep> {
  const { matcher, now } = options;
  const budget = createRateBudget(options.rateMax, now);
  const iterator = options.messages[Symbol.asyncIterator]();
  let pending = iterator.next();
  let skipped = 0;
  try {
    for (;;) {
      const result = await orTimeout(pending, SIGN_OF_LIFE_MS);
      if (result === "timeout") {
        yield { records: [], skipped };
        skipped = 0;
        continue;
      }
      if (result.done) return;
      pending = iterator.next();
      let records: PlacedRecord[] = [];
      for (const record of readRecords(result.value)) {
        if (!matcher(record)) continue;
        if (!budget()) {
          skipped++;
          continue;
        }
        records.push(record);
        if (records.length < STEP_RECORDS_MAX) continue;
        yield { records, skipped };
        records = [];
        skipped = 0;
      }
      if (records.length === 0) continue;
      yield { records, skipped };
      skipped = 0;
    }
  } finally {
    pending.catch(() => undefined);
    await iterator.return?.();
  }
}

async function orTimeout<T>(promise: Promise<T>, ms: number): Promise<T | "timeout"> {
  const timer = new AbortController();
  const timeout = sleep(ms, "timeout" as const, { signal: timer.signal }).catch(
    () => "timeout" as const,
  );
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    timer.abort();
  }
}

/** A token bucket of one second: true while the rate allows one more. */
function createRateBudget(rateMax: number, now: () => number): () => boolean {
  let tokens = rateMax;
  let at = now();
  return () => {
    const time = now();
    tokens = Math.min(rateMax, tokens + (Math.max(0, time - at) / 1000) * rateMax);
    at = time;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
