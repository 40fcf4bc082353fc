/**
 * Replays: stored records go to one sink again on a lane of their own. The lane has its own identity
 * in the destination, so a sink that keeps the cursor in its target has one for the replay as well
 * (rows and progress in one transaction), and the cursor of live delivery stays where it is.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Definitions, SinkDefinition } from "../../core/definitions.ts";
import { fail, notFound } from "../../core/errors.ts";
import { advance, type ReplayJob, type ReplayProgress } from "../../core/replay-job.ts";
import type { TemplateCompiler } from "../../mapping/row-transform.ts";
import {
  createDestinations,
  type DestinationEnvironment,
  type Destinations,
} from "../destinations.ts";
import { comparePlaces } from "../place.ts";
import type { ReplayRefusals } from "../replay-refusals.ts";
import type { SinkStatusInit } from "../sink-status.ts";
import { type DriverTable, driverOf, type VersionPlan, versionsOf } from "../version-table.ts";
import { createLiveGate } from "./live-first.ts";
import type { RangeReader } from "./record-range.ts";
import { packBatches } from "./replay-batches.ts";
import { openReplayLane } from "./replay-cursor.ts";
import type { HoldRefused } from "./replay-lane.ts";
import { sendRows } from "./replay-send.ts";
import { selectRows } from "./select-rows.ts";

/** What replays need. */
export interface ReplayParts {
  readonly definitions: Definitions;
  readonly range: RangeReader;
  readonly drivers: DriverTable;
  readonly templates: TemplateCompiler;
  readonly environment: DestinationEnvironment;
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<Map<string, SinkStatusInit>>;
  /** Holds what was refused, on the node that delivers the sink. */
  readonly hold: (sink: SinkDefinition, refused: ReplayRefusals) => Promise<void>;
  /** Milliseconds since 1970: orders the workers of a replay. */
  readonly now: () => number;
}

/** What a replay is given by whoever keeps its progress. */
export interface ReplayWork {
  readonly progress: ReplayProgress;
  readonly signal: AbortSignal;
  /** Keeps progress. Fails when the replay is not this worker's any more. */
  save(progress: ReplayProgress): Promise<void>;
}

/**
 * Delivers what is left of a job. Fails with RESOURCE_NOT_FOUND when sink or stream is gone, and as
 * `sendRows` does.
 */
export async function runReplay(
  parts: ReplayParts,
  job: ReplayJob,
  work: ReplayWork,
): Promise<void> {
  let progress = work.progress;
  const end = { sequence: job.last + 1, index: 0 };
  while (comparePlaces(progress.next, end) < 0) {
    // A change of the sink holds from the next request on: then its destination is opened anew.
    progress = await runVersion(parts, job, { ...work, progress });
  }
}

async function runVersion(
  parts: ReplayParts,
  job: ReplayJob,
  work: ReplayWork,
): Promise<ReplayProgress> {
  const sink = parts.definitions.sinkByUid(job.sinkUid);
  const stream = sink && parts.definitions.streamByLog(sink.log.uid);
  if (!sink || !stream) throw notFound("the sink of the replay");
  const plan = versionsOf(sink, parts).newest();
  const destinations = createReplayDestinations(parts, job, sink);
  try {
    return await runOpen(parts, job, { ...work, sink, plan, destinations, schema: stream.schema });
  } finally {
    await destinations.close();
  }
}

interface OpenWork extends ReplayWork {
  readonly sink: SinkDefinition;
  readonly plan: VersionPlan;
  readonly destinations: Destinations;
  readonly schema: Parameters<typeof selectRows>[2]["schema"];
}

async function runOpen(
  parts: ReplayParts,
  job: ReplayJob,
  { sink, plan, destinations, schema, ...work }: OpenWork,
): Promise<ReplayProgress> {
  const { signal } = work;
  const { definitions, range, now } = parts;
  const current = () => definitions.sinkByUid(job.sinkUid);
  const keepsCursor = driverOf(parts.drivers, plan.kind).keepsCursor;
  const hold = createHold(parts, job, { sink, plan, signal });
  const identity = { uid: replayUid(job), epoch: now() };
  const input = { ...identity, plan, destinations, keepsCursor, signal, hold };
  const opened = await openReplayLane(input, work.progress);
  let progress = opened.progress;
  const keep = async (now: ReplayProgress) => {
    progress = now;
    await work.save(now);
  };
  const gate = createLiveGate({
    sink: current,
    statuses: parts.statuses,
    signal,
    onWaiting: (waiting) => keep({ ...progress, waiting }),
  });
  const pages = selectRows(job, progress.next, { range, schema, signal });
  for await (const { rows, next } of packBatches(pages, plan)) {
    if (current() !== sink) break;
    if (rows.length > 0) {
      await gate();
      const outcome = await sendRows(opened.lane, rows, { progress, next });
      progress = advance(progress, outcome);
      if (Number.isFinite(plan.ratePerSecond)) {
        await delay(1000 / plan.ratePerSecond, undefined, { signal });
      }
    }
    await keep({ ...progress, next });
  }
  return progress;
}

/** Records that cannot be held now are tried again with all that was refused. */
function createHold(
  { hold }: ReplayParts,
  job: ReplayJob,
  { sink, plan, signal }: Pick<OpenWork, "sink" | "plan" | "signal">,
): HoldRefused {
  const replay = `${sink.name}/replays/${job.uid}`;
  const sinkVersion = plan.version.version;
  return async (rows) => {
    try {
      await hold(sink, { replay, sinkVersion, rows });
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      const told = `a refused record cannot be held: ${why}`;
      throw fail("DESTINATION_UNAVAILABLE", told, { cause: error });
    }
  };
}

function createReplayDestinations(
  { drivers, environment, definitions }: ReplayParts,
  job: ReplayJob,
  sink: SinkDefinition,
): Destinations {
  return createDestinations({
    drivers,
    environment,
    sink: { uid: replayUid(job), name: sink.name },
    logUid: sink.log.uid,
    branch: sink.log.branch,
    stream: () => definitions.streamByLog(sink.log.uid),
  });
}

/** Name of the lane in the destination: not that of the sink, nor one that begins with it and a dash. */
function replayUid({ sinkUid, uid }: ReplayJob): string {
  return `${sinkUid}r${uid.slice(0, 12)}`;
}
