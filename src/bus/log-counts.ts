import { createDurationHistogram, type DurationHistogram } from "../core/duration-histogram.ts";

/** What one lane of the writer has published, over all shards. */
export interface LaneCounts {
  /** From the first byte sent to the answer, which comes after the sync to disk. */
  readonly durations: DurationHistogram;
  /** Publishes, each one sync to disk: its calls divided by it are what group commit gathers. */
  publishes: number;
  calls: number;
  messages: number;
  /** Publishes without an answer in time, which were read back. */
  unknown: number;
}

/** What the writer of the log has done since the start. */
export interface LogCounts {
  readonly usual: LaneCounts;
  readonly large: LaneCounts;
}

/** Counts from zero. */
export function createLogCounts(): LogCounts {
  return { usual: createLaneCounts(), large: createLaneCounts() };
}

function createLaneCounts(): LaneCounts {
  const durations = createDurationHistogram();
  return { durations, publishes: 0, calls: 0, messages: 0, unknown: 0 };
}
