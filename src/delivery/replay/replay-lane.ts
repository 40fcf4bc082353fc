/** The way of a replay to its destination, and where a request stands in it. */
import { fail } from "../../core/errors.ts";
import type { ReplayProgress } from "../../core/replay-job.ts";
import type { Place, RejectedPlace } from "../../sinks/sink.ts";
import type { Destination } from "../destinations.ts";
import type { VersionPlan } from "../version-table.ts";

/** Where requests go. */
export interface ReplayLane {
  readonly uid: string;
  readonly plan: VersionPlan;
  readonly destination: Destination;
  readonly keepsCursor: boolean;
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** Holds what was refused, before anything else is sent. */
  readonly hold: HoldRefused;
}

/** Holds refused records; idempotent. Fails with DESTINATION_UNAVAILABLE when they cannot be held now. */
export type HoldRefused = (refusals: readonly RejectedPlace[]) => Promise<void>;

/** Where a request stands in its replay. */
export interface ReplayStep {
  /** Before the request. */
  readonly progress: ReplayProgress;
  /** Where the replay goes on after it. */
  readonly next: Place;
}

/** Another worker goes on with the replay. */
export function taken() {
  return fail("LOG_UNAVAILABLE", "another node goes on with the replay");
}
