/** How a run comes to deliver: it opens the destination and claims its partitions, again and again until it can. */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { DestinationGate } from "./destination-gate.ts";
import type { RunOwner } from "./run-owner.ts";

const TIMER_MAX_MS = 2 ** 31 - 1;

/** The run that is to begin. */
export interface OpeningHost {
  readonly owner: RunOwner;
  readonly gate: DestinationGate;
  /** Whether something stops this sink until its owner acts. */
  readonly isHalted: boolean;
  /** The partitions are ours, as the target knows them. */
  opened(): void;
  countAhead(): void;
}

/** The opening of one run. */
export class RunOpening {
  readonly #host: OpeningHost;
  #isOpening = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: OpeningHost) {
    this.#host = host;
  }

  /** Begins; when it fails it tries again after the waits of the schedule. */
  async begin(failures = 0): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    clearTimeout(this.#timer);
    const { gate, owner } = this.#host;
    try {
      await gate.resumeAll();
      // When the sink was paused meanwhile, its resumption begins anew.
      if (owner.signal.aborted || owner.definition.isPaused) return;
      this.#host.opened();
      if (!this.#host.isHalted) owner.note.enter(Sink_State.RUNNING);
      owner.changed(false);
    } catch (error) {
      if (owner.signal.aborted) return;
      const waitMs = gate.beginFailed(error, failures + 1);
      if (waitMs === undefined) return;
      this.#timer = setTimeout(() => void this.begin(failures + 1), Math.min(waitMs, TIMER_MAX_MS));
      this.#host.countAhead();
    } finally {
      this.#isOpening = false;
    }
  }

  /** Begins no more. Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
