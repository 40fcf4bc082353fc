/** Counts how long things took, in plain numbers. */
import type { MetricSample } from "./metric-text.ts";

/** Counts of durations by bounds. */
export interface DurationHistogram {
  /** Takes a duration in milliseconds. */
  observe(ms: number): void;
  /** As the samples of a histogram in seconds. */
  samples(labels?: Readonly<Record<string, string>>): MetricSample[];
}

/** Upper bounds in seconds: from a fast fsync to the time after which a call has failed. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Makes an empty histogram. */
export function createDurationHistogram(): DurationHistogram {
  const counts = new Float64Array(BOUNDS.length + 1);
  let sum = 0;
  return {
    observe(ms) {
      const seconds = ms / 1000;
      let at = 0;
      while (at < BOUNDS.length && seconds > BOUNDS[at]!) at++;
      counts[at]!++;
      sum += seconds;
    },
    samples(labels = {}) {
      let count = 0;
      const buckets = [...BOUNDS, Number.POSITIVE_INFINITY].map((bound, i) => {
        count += counts[i]!;
        const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound);
        return { suffix: "_bucket", labels: { ...labels, le }, value: count };
      });
      return [
        ...buckets,
        { suffix: "_sum", labels, value: sum },
        { suffix: "_count", labels, value: count },
      ];
    },
  };
}
