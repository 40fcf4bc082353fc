/**
 * Records that are gone before they were settled. Nobody but retention takes them, and it books them
 * first (`expiry.ts`); what is missing otherwise stops the sink, until its owner restarts it and so says
 * that they are to be counted as expired. So no loss can hide.
 */
import type { Logger } from "../core/logger.ts";
import type { LaneSet } from "./lane-set.ts";
import type { PushCount } from "./push-count.ts";
import type { SinkNote } from "./sink-note.ts";

/** The run that is looked after. */
export interface LossHost {
  readonly lanes: LaneSet;
  readonly logger: Logger;
  readonly owner: {
    readonly note: SinkNote;
    readonly definition: { readonly name: string };
    /** First sequence that retention has left of the log. */
    readonly trimmedBelow: number;
    /** Whether the owner has accepted, by a restart, what is missing. */
    acceptsLoss: boolean;
    changed(isUrgent: boolean): void;
  };
}

/** Looks for losses of one run. */
export class RunLosses {
  readonly #host: LossHost;
  readonly #count: PushCount;
  /** Whether the sink is stopped because of one. */
  isHalted = false;

  constructor(host: LossHost, count: PushCount) {
    this.#host = host;
    this.#count = count;
  }

  /** Looks whether everything that is needed may still be stored; before anything is read. */
  checkMark(): void {
    const { lanes, owner } = this.#host;
    const from = lanes.settledBelow;
    if (from >= owner.trimmedBelow) return;
    if (owner.acceptsLoss) lanes.expireBelow(owner.trimmedBelow, new Map());
    else this.#halt(`sequences ${from} to ${owner.trimmedBelow - 1}`);
  }

  /** Looks whether a request could not be read again as it was. */
  checkRequests(): void {
    const { lanes, owner } = this.#host;
    for (const { lane } of lanes.all()) {
      if (!lane.isShort) continue;
      lane.isShort = false;
      if (!owner.acceptsLoss) this.#halt(`some from sequence ${lanes.settledBelow} on`);
    }
  }

  /** At rest at the edge, everything that was pushed must be settled (D3). */
  checkLedger(): void {
    const { lanes, owner, logger } = this.#host;
    const count = this.#count;
    const missing = count.pushed - lanes.settled;
    if (missing > 0 && !owner.acceptsLoss) {
      this.#halt(`${missing} before sequence ${lanes.position}`);
      return;
    }
    owner.acceptsLoss = false;
    if (missing === 0) return;
    const facts = { sink: owner.definition.name, count: missing };
    if (missing > 0) {
      lanes.get(0).lane.expire(missing);
      logger.warn("records are missing, and were counted as expired by a restart", facts);
    } else {
      count.pushed -= missing;
      logger.error("more records were delivered than were counted", facts);
    }
    owner.changed(false);
  }

  #halt(what: string): void {
    const { owner, logger } = this.#host;
    if (this.isHalted) return;
    this.isHalted = true;
    const why =
      `records are missing from the log, not by its retention: ${what}. ` +
      "Restart the sink to go on with what is there; they are counted as expired then.";
    logger.error("records of a sink are missing", { sink: owner.definition.name, what });
    owner.note.fail({ reason: "LOG_TRIMMED", why, isError: true, nextAttemptMs: 0 });
    owner.changed(false);
  }
}
