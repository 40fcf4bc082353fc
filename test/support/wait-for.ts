import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks `probe` again and again until it returns something other than undefined or false, and returns
 * that. What the probe throws is passed on at once; after `timeoutMs` (20 s) it fails.
 */
export async function waitFor<T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 20_000, everyMs = 15 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`condition not met within ${timeoutMs} ms`);
    await delay(everyMs);
  }
}
