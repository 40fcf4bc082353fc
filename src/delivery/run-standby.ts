/** A run that is paused or stops: what is in flight ends, what is staged is flushed, then all is let go. */
import { setTimeout as delay } from "node:timers/promises";
import type { DestinationGate } from "./destination-gate.ts";
import type { LaneSet } from "./lane-set.ts";
import type { RunFlusher } from "./run-flusher.ts";
import type { RunOwner } from "./run-owner.ts";

/** A destination that nothing was sent to for so long is closed. */
const IDLE_CLOSE_MS = 60_000;

/** The run that comes to rest. */
export interface StandbyHost {
  readonly owner: RunOwner;
  readonly lanes: LaneSet;
  readonly flusher: RunFlusher;
  readonly gate: DestinationGate;
  readonly sender: { readonly lastSentMs: number };
  letGo(): void;
  schedule(): void;
}

/** The rest of one run. */
export class RunStandby {
  /** Whether the run stops for good. */
  isDraining = false;
  readonly #host: StandbyHost;
  #isStandingBy = false;

  constructor(host: StandbyHost) {
    this.#host = host;
  }

  /** Whether the run is to come to rest, or is there. */
  get isWanted(): boolean {
    return this.isDraining || this.#host.owner.definition.isPaused;
  }

  /** Says that the run goes on. */
  end(): void {
    this.#isStandingBy = false;
  }

  /** Comes a step nearer to rest. */
  advance(nowMs: number): void {
    const { lanes, flusher, gate, owner } = this.#host;
    if (lanes.isSending || flusher.isFlushing || this.#isStandingBy) return;
    if (flusher.mayClose(nowMs)) {
      void flusher.flush("close");
      return;
    }
    this.#isStandingBy = true;
    this.#host.letGo();
    void gate.close();
    owner.changed(false);
  }

  /** Lets what is in flight end, at most `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.isDraining = true;
    const { owner } = this.#host;
    const endMs = performance.now() + graceMs;
    while (!this.#isStandingBy && !owner.signal.aborted && performance.now() < endMs) {
      this.#host.schedule();
      await delay(5);
    }
  }

  /** Closes the destination of a sink that has been idle for long. */
  sweep(nowMs: number): void {
    const { lanes, flusher, gate, sender } = this.#host;
    if (nowMs - sender.lastSentMs < IDLE_CLOSE_MS || lanes.isAnyOpen) return;
    if (flusher.isEmpty && !lanes.isSending) void gate.close();
  }
}
