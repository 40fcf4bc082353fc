/** Progress of a replay as a destination keeps it beside the rows, and finding it again there. */
import { fail } from "../../core/errors.ts";
import { advance, type ReplayProgress } from "../../core/replay-job.ts";
import type { KeptCursor, OpenSink } from "../../sinks/sink.ts";
import { type Destination, type Destinations, outcomeOfError } from "../destinations.ts";
import { comparePlaces } from "../place.ts";
import type { VersionPlan } from "../version-table.ts";
import { type HoldRefused, type ReplayLane, type ReplayStep, taken } from "./replay-lane.ts";

/** The only partition of a replay's lane. */
const PARTITION = 0;

interface SentCounts {
  readonly sent: number;
  readonly filtered: number;
  /** Rows that were not sent because they could not be mapped. */
  readonly unmapped: number;
}

/** The cursor after a request: progress before it, and what it brings when nothing is refused. */
export function encodeReplayCursor(step: ReplayStep, counts: SentCounts): Uint8Array {
  return Buffer.from(JSON.stringify({ ...step, counts }));
}

function decodeReplayCursor({ cursor, rejects }: KeptCursor): ReplayProgress {
  const text = Buffer.from(cursor).toString("utf8");
  const { progress, next, counts } = JSON.parse(text) as ReplayStep & { counts: SentCounts };
  const refusals = rejects.map((reject) => ({ recordId: "", ...reject }));
  const delivered = counts.sent - (refusals.length - counts.unmapped);
  return { ...advance(progress, { delivered, filtered: counts.filtered, refusals }), next };
}

/** What opening needs. */
export interface LaneInput {
  readonly uid: string;
  readonly plan: VersionPlan;
  readonly destinations: Destinations;
  readonly keepsCursor: boolean;
  readonly epoch: number;
  readonly signal: AbortSignal;
  readonly hold: HoldRefused;
}

/** Opens the destination; the progress is that of the destination where it keeps a later one. */
export async function openReplayLane(
  { destinations, ...input }: LaneInput,
  known: ReplayProgress,
): Promise<{ readonly lane: ReplayLane; readonly progress: ReplayProgress }> {
  try {
    const destination = await destinations.get(input.plan);
    if (!input.keepsCursor) return { lane: { ...input, destination }, progress: known };
    const { kept, epoch } = await claim(destination, input.epoch);
    // The crash may have come before they were held.
    if (kept && kept.rejects.length > 0) await input.hold(kept.rejects);
    const found = kept && decodeReplayCursor(kept);
    const progress = found && comparePlaces(found.next, known.next) > 0 ? found : known;
    return { lane: { ...input, destination, epoch }, progress };
  } catch (error) {
    input.signal.throwIfAborted();
    const outcome = outcomeOfError(error);
    if (outcome.kind !== "retry") throw taken();
    throw fail("DESTINATION_UNAVAILABLE", `${outcome.reason}: ${outcome.why}`, { cause: error });
  }
}

/** Claims the lane; an earlier worker whose clock was ahead does not keep it. */
async function claim({ sink }: Destination, epoch: number) {
  const resume = sink.resume?.bind(sink) as NonNullable<OpenSink["resume"]>;
  try {
    return { kept: await resume(PARTITION, epoch), epoch };
  } catch (error) {
    const { targetEpoch } = error as { targetEpoch?: unknown };
    if (typeof targetEpoch !== "number") throw error;
    return { kept: await resume(PARTITION, targetEpoch + 1), epoch: targetEpoch + 1 };
  }
}
