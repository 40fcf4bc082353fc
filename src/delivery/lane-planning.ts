/** Planning the requests of all lanes of a sink. */
import { bytesOf } from "./lane-request.ts";
import type { LaneSet } from "./lane-set.ts";
import { PARKED_KEYS_MAX } from "./parked-keys.ts";
import type { RunOwner } from "./run-owner.ts";
import type { VersionTable } from "./version-table.ts";

/** Requests planned for each that may be in flight; more are planned when half are left, for one cursor write. */
const PLANNED_AHEAD = 8;
/** Bytes of open requests of a lane above which no more are planned than may be in flight (D5). */
const OPEN_BYTES_MAX = 4 * 1024 * 1024;

/** What planning needs to know of the sink. */
export interface PlanningInput {
  readonly versions: VersionTable;
  /** Whether no more records are read until some are sent. */
  readonly isFull: boolean;
  readonly isStaging: boolean;
  readonly keepsCursor: boolean;
  readonly concurrency: number;
  readonly nowMs: number;
}

/** Plans what can be planned; says whether the cursor must be written before requests may be sent. */
export function planLanes(
  lanes: LaneSet,
  input: PlanningInput,
): {
  readonly isPlanned: boolean;
  readonly needsWrite: boolean;
  readonly isParkingFull: boolean;
} {
  // A full queue of incomplete batches would wait for itself, and so would a generation.
  const isForced = (input.isFull && !lanes.isAnyOpen) || lanes.isBlocked;
  const openMax = input.keepsCursor ? input.concurrency : input.concurrency * PLANNED_AHEAD;
  const versionAt = (sequence: number) => input.versions.at(sequence);
  const { isStaging, nowMs } = input;
  let isPlanned = false;
  let needsWrite = false;
  const isBlocked = lanes.parkedKeys > PARKED_KEYS_MAX;
  for (const { lane, waitUntilMs } of lanes.all()) {
    if (waitUntilMs > nowMs) continue;
    let open = lane.requests.filter((request) => request.state !== "staged").length;
    const isEnough = !input.keepsCursor && open > openMax / 2;
    let bytes = lane.requests.reduce((sum, request) => sum + bytesOf(request), 0);
    while (!isEnough && open < openMax && !isBlocked) {
      if (bytes > OPEN_BYTES_MAX && open >= input.concurrency) break;
      // What follows a request that is under way should be worth it: the next goes on with all that came.
      const isPatient = input.keepsCursor && open > 0;
      const planned = lane.plan({ versionAt, isForced, isStaging, isPatient, nowMs });
      if (!planned) break;
      bytes += bytesOf(planned);
      open += 1;
      isPlanned = true;
    }
    for (const request of lane.requests) {
      if (request.state !== "planned") continue;
      // The rows and the cursor of such a sink are committed together: there is nothing to repeat.
      if (input.keepsCursor) request.state = "ready";
      else if (!request.isWriting) needsWrite = true;
    }
  }
  return { isPlanned, needsWrite, isParkingFull: isBlocked };
}

/** Says that so many keys wait for held records that nothing more may be parked. */
export function noteParkingFull({ note }: RunOwner): void {
  const why = `more than ${PARKED_KEYS_MAX} keys wait for held records: replay or discard them`;
  note.fail({ reason: "TOO_MANY_BLOCKED_KEYS", why, isError: true, nextAttemptMs: 0 });
}
