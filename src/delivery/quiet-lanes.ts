/** Work on lanes while nothing of them is under way. */
import { setTimeout as delay } from "node:timers/promises";
import { fail } from "../core/errors.ts";
import { isSending, type LaneRun } from "./lane-run.ts";

/** What is asked of the run. */
export interface QuietHost {
  readonly signal: AbortSignal;
  schedule(): void;
}

/**
 * Keeps lanes from sending, waits until nothing of them is under way (and nothing else that `isBusy`
 * names), and runs the work. Fails with OVERLOADED when that takes longer than `timeoutMs`.
 */
export async function whileQuiet<T>(
  host: QuietHost,
  runs: readonly LaneRun[],
  {
    timeoutMs,
    isBusy = () => false,
    work,
  }: { timeoutMs: number; isBusy?: () => boolean; work: () => Promise<T> },
): Promise<T> {
  for (const run of runs) run.isReserved = true;
  try {
    const endMs = performance.now() + timeoutMs;
    while (runs.some(isSending) || isBusy()) {
      if (performance.now() > endMs) throw fail("OVERLOADED", "the sink is busy: try again");
      await delay(5, undefined, { signal: host.signal });
    }
    return await work();
  } finally {
    for (const run of runs) run.isReserved = false;
    host.schedule();
  }
}
