/** Wakes a run when a batch, a flush or a paced request is due for time. */
import type { LaneSet } from "./lane-set.ts";
import type { VersionTable } from "./version-table.ts";

const TIMER_MAX_MS = 2 ** 31 - 1;

/** The one timer of a run. */
export class RunTimer {
  readonly #wake: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Sets the timer to the first thing that is due; what is due already waits for an answer. */
  arm(
    nowMs: number,
    { lanes, versions, dueMs: givenMs }: { lanes: LaneSet; versions: VersionTable; dueMs: number },
  ): void {
    let dueMs = givenMs > nowMs ? givenMs : Number.POSITIVE_INFINITY;
    for (const { lane } of lanes.all()) {
      const first = lane.pending.at(0);
      if (!first) continue;
      const atMs = lane.pendingSinceMs + versions.at(first.place.sequence).timeMs;
      if (atMs > nowMs) dueMs = Math.min(dueMs, atMs);
    }
    if (dueMs === this.#atMs) return;
    this.close();
    if (!Number.isFinite(dueMs)) return;
    this.#atMs = dueMs;
    const wake = () => {
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#wake();
    };
    this.#timer = setTimeout(wake, Math.min(dueMs - nowMs, TIMER_MAX_MS));
  }

  /** Forgets what was due. */
  close(): void {
    clearTimeout(this.#timer);
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
