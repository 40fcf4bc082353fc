/** How fast one sink sends (B07): requests a second, and requests in flight, over all its partitions. */
import type { VersionPlan } from "./version-table.ts";

/** A timer that is this late takes nothing from the rate. */
const LATE_MS = 20;

type Limits = Pick<VersionPlan, "ratePerSecond" | "inFlightMax">;

/** The pace of one run. Limits that are changed hold from the next `begin` on. */
export class SendPace {
  #limits: Limits = {
    ratePerSecond: Number.POSITIVE_INFINITY,
    inFlightMax: Number.POSITIVE_INFINITY,
  };
  #inFlight = 0;
  #nextMs = 0;
  /** Who was served last: the one behind it is first in the next round. */
  #last: unknown;
  /** When the next request may go, in the terms of `take`; Infinity when none waits for it. */
  dueAtMs = Number.POSITIVE_INFINITY;

  /** Begins a round: gives those who want to send in the order in which they may. */
  begin<T>(all: readonly T[], limits: Limits): readonly T[] {
    // A rate that was raised does not wait for what the old one asked.
    if (limits.ratePerSecond !== this.#limits.ratePerSecond) this.#nextMs = 0;
    this.#limits = limits;
    this.dueAtMs = Number.POSITIVE_INFINITY;
    const first = all.indexOf(this.#last as T) + 1;
    return [...all.slice(first), ...all.slice(0, first)];
  }

  /** Whether one request may go now; if so it counts until `ended`. */
  take(by: unknown, nowMs: number): boolean {
    const { ratePerSecond, inFlightMax } = this.#limits;
    if (this.#inFlight >= inFlightMax) return false;
    if (this.#nextMs > nowMs) {
      this.dueAtMs = this.#nextMs;
      return false;
    }
    this.#nextMs = Math.max(this.#nextMs, nowMs - LATE_MS) + 1000 / ratePerSecond;
    this.#inFlight += 1;
    this.#last = by;
    return true;
  }

  /** A request is over, however it ended. */
  ended(): void {
    this.#inFlight -= 1;
  }
}
