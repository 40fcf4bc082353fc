/** Rows that a destination has staged, and the flushes that settle them. */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { Place } from "../sinks/sink.ts";
import type { DestinationGate } from "./destination-gate.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { LaneRun } from "./lane-run.ts";
import type { RunOwner } from "./run-owner.ts";
import { type FlushReason, StagedRows } from "./staged-rows.ts";
import type { VersionPlan } from "./version-table.ts";

const FLUSH_RETRY_MS = 5_000;

/** The run that flushes. */
export interface FlushHost {
  readonly owner: RunOwner;
  readonly gate: DestinationGate;
  readonly steady: () => number;
  /** What was staged is lost: it is read again. */
  rewind(): void;
  recovered(): void;
  schedule(): void;
}

/** Flushes for one run, one at a time. */
export class RunFlusher {
  readonly #host: FlushHost;
  readonly #staged = new StagedRows();
  #isFlushing = false;
  /** After a failure, none before this time. */
  #afterMs = 0;

  constructor(host: FlushHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#staged.isEmpty;
  }

  get isFlushing(): boolean {
    return this.#isFlushing;
  }

  /** When a flush is due for time; Infinity when nothing is staged. */
  get dueAtMs(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : Math.max(this.#staged.dueAtMs, this.#afterMs);
  }

  /** Why a flush is due now; undefined when none is. */
  due(nowMs: number): FlushReason | undefined {
    return nowMs >= this.#afterMs ? this.#staged.due(nowMs) : undefined;
  }

  /** Whether what is staged may be flushed for good. */
  mayClose(nowMs: number): boolean {
    return !this.isEmpty && nowMs >= this.#afterMs;
  }

  /** Remembers a request that was staged. */
  add(run: LaneRun, request: LaneRequest, plan: VersionPlan): void {
    this.#staged.add(run, request, { plan, nowMs: this.#host.steady() });
    run.lane.stage(request);
  }

  /** Settles what a flush made durable outside the run's own turn. */
  settle(places: readonly Place[]): void {
    this.#staged.settle(places, this.#host.steady());
  }

  /** Tries at once again what failed. */
  hurry(): void {
    this.#afterMs = 0;
  }

  async flush(reason: FlushReason): Promise<void> {
    const { gate, owner, steady } = this.#host;
    this.#isFlushing = true;
    try {
      this.settle(await gate.flush(reason));
      if (owner.definition.isPaused) owner.note.enter(Sink_State.PAUSED);
      else this.#host.recovered();
    } catch (error) {
      if (owner.signal.aborted) return;
      // What a failed flush leaves is not known: the rows are sent again.
      this.#staged.unstage();
      this.#afterMs = steady() + FLUSH_RETRY_MS;
      await gate.close();
      gate.flushFailed(error, this.#afterMs);
      this.#host.rewind();
    } finally {
      this.#isFlushing = false;
      owner.changed(false);
      this.#host.schedule();
    }
  }
}
