/** How long the parts of a start take, for whoever wonders what is slow: at LOG_LEVEL=debug. */
import type { Logger } from "../core/logger.ts";

/** Times parts; they may run side by side. */
export type TimePhase = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Logs each part when it is done, with its milliseconds and those since the process began. */
export function createPhases(logger: Logger): TimePhase {
  return async (name, work) => {
    const startedAt = performance.now();
    const result = await work();
    const now = performance.now();
    const tookMs = Math.round(now - startedAt);
    logger.debug("started", { part: name, tookMs, sinceProcessMs: Math.round(now) });
    return result;
  };
}
