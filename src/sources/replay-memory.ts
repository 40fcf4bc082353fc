/** Signed requests that were taken, remembered until their own time has run out. */
import { fail } from "../core/errors.ts";

/** The memory of one node. */
export interface ReplayMemory {
  /** Whether the request was taken before. Fails with OVERLOADED when there is no room to remember it. */
  has(id: string, nowMs: number): boolean;
  /** Remembers a request until a time, in milliseconds since 1970. */
  add(id: string, untilMs: number): void;
}

/** Room for `max` requests; 200,000 take about 40 MB. Forgetting one early would let it in again. */
export function createReplayMemory(max = 200_000): ReplayMemory {
  const until = new Map<string, number>();
  let sweptAtMs = 0;
  const sweep = (nowMs: number) => {
    sweptAtMs = nowMs;
    for (const [id, endMs] of until) if (endMs < nowMs) until.delete(id);
  };
  return {
    has(id, nowMs) {
      if (nowMs - sweptAtMs > 60_000) sweep(nowMs);
      if (until.has(id)) return true;
      if (until.size < max) return false;
      if (nowMs - sweptAtMs > 1_000) sweep(nowMs);
      if (until.size < max) return false;
      throw fail("OVERLOADED", "too many signed requests within their tolerance", {
        retryAfterMs: 10_000,
      });
    },
    add: (id, untilMs) => until.set(id, untilMs),
  };
}
