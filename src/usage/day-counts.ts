/** Counts in memory, by log and day (UTC) of arrival. */
import type { CallTally } from "../core/record-tally.ts";
import type { LogDayCount } from "./usage-store.ts";

/** Counts that are not written yet. */
export interface DayCounts {
  add(logUid: string, call: CallTally): void;
  /** Adds what was counted elsewhere. */
  merge(count: LogDayCount): void;
  list(): readonly LogDayCount[];
}

const DAY_US = 86_400_000_000;
const DAYS_KEPT = 100;

/** Kinds of authentication that prove nothing. */
const UNAUTHENTICATED: ReadonlySet<string> = new Set(["", "none"]);

/** Empty counts. */
export function createDayCounts(): DayCounts {
  const counts = new Map<string, LogDayCount>();
  const countOf = (logUid: string, day: string): LogDayCount => {
    const key = `${logUid} ${day}`;
    const known = counts.get(key);
    if (known) return known;
    const nothing = { records: 0, bytes: 0, unauthenticatedRecords: 0, unauthenticatedBytes: 0 };
    const made = { logUid, day, ...nothing };
    counts.set(key, made);
    return made;
  };
  return {
    add(logUid, { arrivalTimeUs, authentication, records, bytes }) {
      const count = countOf(logUid, dayOf(arrivalTimeUs));
      count.records += records;
      count.bytes += bytes;
      if (!UNAUTHENTICATED.has(authentication)) return;
      count.unauthenticatedRecords += records;
      count.unauthenticatedBytes += bytes;
    },
    merge(other) {
      const count = countOf(other.logUid, other.day);
      count.records += other.records;
      count.bytes += other.bytes;
      count.unauthenticatedRecords += other.unauthenticatedRecords;
      count.unauthenticatedBytes += other.unauthenticatedBytes;
    },
    list: () => [...counts.values()],
  };
}

const dayTexts = new Map<number, string>();

/** The day of a time, `2026-01-31`. */
function dayOf(timeUs: number): string {
  const number = Math.floor(timeUs / DAY_US);
  const known = dayTexts.get(number);
  if (known) return known;
  const text = new Date(number * 86_400_000).toISOString().slice(0, 10);
  if (dayTexts.size >= DAYS_KEPT) dayTexts.clear();
  dayTexts.set(number, text);
  return text;
}
