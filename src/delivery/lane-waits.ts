/** Waits of lanes after failures: a lane that waits for long is passed by, so that it stops no other (D4). */
import type { LaneRun } from "./lane-run.ts";
import type { LaneSet } from "./lane-set.ts";
import type { SinkNote } from "./sink-note.ts";

const TIMER_MAX_MS = 2 ** 31 - 1;
/** A lane that waits this long lets its records go and reads them again. */
const LONG_MS = 1_000;

/** Why a lane waits. */
export interface WaitFault {
  readonly reason: string;
  readonly why: string;
  readonly isError: boolean;
}

/** The run whose lanes wait. */
export interface WaitHost {
  readonly lanes: LaneSet;
  readonly now: () => number;
  readonly steady: () => number;
  readonly owner: { readonly note: SinkNote; readonly definition: { readonly isPaused: boolean } };
  /** Partitions of the stream now. */
  readonly partitions: number;
  readonly isStopped: boolean;
  readonly concurrency: number;
  /** Nothing can be delivered for now. */
  letGo(): void;
  rewind(): void;
  schedule(): void;
}

/** The waits of one run. */
export class LaneWaits {
  readonly #host: WaitHost;
  /** First failure since the last success, in `steady` terms; undefined when there was none. */
  #failingSinceMs: number | undefined;

  constructor(host: WaitHost) {
    this.#host = host;
  }

  /** Lets a lane wait until a time, or for the owner when that is Infinity. */
  wait(run: LaneRun, untilMs: number, fault: WaitFault): void {
    const { lanes, owner, now, steady, concurrency } = this.#host;
    clearTimeout(run.timer);
    run.waitUntilMs = Math.max(run.waitUntilMs, untilMs);
    const waitMs = run.waitUntilMs - steady();
    if (Number.isFinite(waitMs)) {
      const timerMs = Math.min(Math.max(0, waitMs), TIMER_MAX_MS);
      run.timer = setTimeout(() => this.#wake(run), timerMs);
    }
    const nextMs = lanes.nextAttemptMs();
    const nextAttemptMs = Number.isFinite(nextMs) ? now() + nextMs - steady() : 0;
    owner.note.fail({ ...fault, nextAttemptMs });
    if (waitMs < LONG_MS || owner.definition.isPaused) return;
    run.lane.shelve(concurrency);
    if (lanes.isWaiting(this.#host.partitions, steady() + LONG_MS / 2)) this.#host.letGo();
  }

  /** Whether a lane waits so long that reading for the others passes by its records. */
  isPassedBy(run: LaneRun): boolean {
    return run.waitUntilMs - this.#host.steady() >= LONG_MS / 2;
  }

  /** For how long nothing but failures came; the first one starts the clock. */
  failingMs(): number {
    const nowMs = this.#host.steady();
    this.#failingSinceMs ??= nowMs;
    return nowMs - this.#failingSinceMs;
  }

  /** A request of a lane was taken: when none of it has failed any more, its wait is over. */
  succeeded(run: LaneRun): void {
    this.#failingSinceMs = undefined;
    if (!run.lane.requests.some((request) => request.failures > 0)) this.#clear(run);
    if (run.lane.isShelved && run.waitUntilMs === 0 && !this.#host.isStopped) this.#host.rewind();
  }

  /** Ends the wait of a lane because its owner has acted. */
  end(run: LaneRun): void {
    this.#failingSinceMs = undefined;
    for (const request of run.lane.requests) request.attempts = 0;
    this.#clear(run);
  }

  /** Ends those waits that only the owner could end. */
  endAllOfOwner(): void {
    for (const run of this.#host.lanes.all()) {
      if (run.waitUntilMs === Number.POSITIVE_INFINITY) this.end(run);
    }
  }

  #clear(run: LaneRun): void {
    clearTimeout(run.timer);
    run.waitUntilMs = 0;
  }

  #wake(run: LaneRun): void {
    const { owner, steady } = this.#host;
    if (run.waitUntilMs > steady() + LONG_MS) {
      this.#rest(run);
      return;
    }
    this.#clear(run);
    if (owner.definition.isPaused) return;
    const first = run.lane.requests.find((request) => request.state !== "staged");
    // A lane that was passed by tries what it kept; when that succeeds it reads on.
    const isReady = run.lane.isShelved && first?.rows !== undefined;
    if (this.#host.isStopped || (run.lane.isShelved && !isReady)) this.#host.rewind();
    else this.#host.schedule();
  }

  /** Waits on when a timer could not be as long as the wait. */
  #rest(run: LaneRun): void {
    const timerMs = Math.min(run.waitUntilMs - this.#host.steady(), TIMER_MAX_MS);
    run.timer = setTimeout(() => this.#wake(run), timerMs);
  }

  /** Stops the timers. */
  close(): void {
    for (const run of this.#host.lanes.all()) clearTimeout(run.timer);
  }
}
