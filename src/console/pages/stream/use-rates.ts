/** Rates of counts that only grow, from looks at them. */
import { useRef } from "react";
import type { PlotData } from "../../parts/plot.ts";

/** Looks that are kept. */
const KEPT = 300;

/** Rates a second of what is counted: at every look, and at the last one. */
export interface Rates {
  readonly data: PlotData;
  readonly now: readonly number[];
}

/** Notes the counts of a look at `at`, in milliseconds since 1970; the same `at` notes nothing new. */
export function useRates(at: number, ...counts: readonly number[]): Rates {
  const known = useRef<{ at: number; counts: readonly number[]; rates: Rates }>(undefined);
  const before = known.current;
  if (!before || before.counts.length !== counts.length) {
    const rates: Rates = { data: [[], ...counts.map(() => [])], now: counts.map(() => 0) };
    known.current = { at, counts, rates };
    return rates;
  }
  if (before.at >= at) return before.rates;
  const seconds = (at - before.at) / 1_000;
  const now = counts.map((count, line) =>
    Math.max(0, Math.round((count - (before.counts[line] ?? count)) / seconds)),
  );
  const [times, ...lines] = before.rates.data;
  const data: PlotData = [
    [...times, at / 1_000].slice(-KEPT),
    ...lines.map((line, i) => [...line, now[i] ?? 0].slice(-KEPT)),
  ];
  const rates = { data, now };
  known.current = { at, counts, rates };
  return rates;
}
