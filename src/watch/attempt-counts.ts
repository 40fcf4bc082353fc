/** What came of attempts to deliver, counted by kind of sink in plain numbers. */
import { Attempt_State } from "#gen/tributary/management/v1/attempt_pb.js";
import type { AttemptLog, AttemptNote } from "../core/attempt.ts";
import { createDurationHistogram, type DurationHistogram } from "../core/duration-histogram.ts";

/** Attempts of one kind of sink with one outcome. */
export interface AttemptCount {
  readonly kind: string;
  /** `delivered`, `retrying` and so on, as Attempt.State. */
  readonly state: string;
  attempts: number;
  /** Records of these attempts; a record that is sent again counts again. */
  records: number;
}

/** Counts since the start: as many as there are kinds of sinks and states. */
export interface AttemptCounts {
  readonly byKind: Map<string, AttemptCount>;
  readonly durations: DurationHistogram;
}

/** Counts from zero. */
export function createAttemptCounts(): AttemptCounts {
  return { byKind: new Map(), durations: createDurationHistogram() };
}

/** The log, with each attempt counted. */
export function countAttempts(log: AttemptLog, counts: AttemptCounts): AttemptLog {
  return {
    note(attempt) {
      count(counts, attempt);
      log.note(attempt);
    },
  };
}

function count({ byKind, durations }: AttemptCounts, attempt: AttemptNote): void {
  const kind = attempt.sink.versions.at(-1)?.sink.config.case ?? "none";
  const state = Attempt_State[attempt.state].toLowerCase();
  const key = `${kind} ${state}`;
  const counted = byKind.get(key) ?? { kind, state, attempts: 0, records: 0 };
  byKind.set(key, counted);
  counted.attempts++;
  counted.records += attempt.records;
  durations.observe(attempt.durationMs);
}
