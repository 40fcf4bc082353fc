/** Replays and what else reads logs by range, by tasks: the catalog keeps them, delivery does them. */

import { replayInputOf, replayProgressOf } from "../catalog/replay-view.ts";
import type { TaskHandler } from "../catalog/task-runner.ts";
import { notFound } from "../core/errors.ts";
import { doneCount, type ReplayJob } from "../core/replay-job.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { createRangeReader, type RangeReader } from "../delivery/replay/record-range.ts";
import { runReplay } from "../delivery/replay/run-replay.ts";
import { countRows } from "../delivery/replay/select-rows.ts";
import { sinkDrivers } from "../sinks/index.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";

/** Counting what a replay selects ends after this long. */
const COUNT_MS = 1_000;

/** What reads records by range. */
export function openRangeReader({ reader }: Foundations): RangeReader {
  return createRangeReader(reader);
}

/** Counts what a replay would deliver. Fails with INVALID_FIELDS and LOG_UNAVAILABLE. */
export function createReplayCount({ snapshot }: Foundations, range: RangeReader) {
  return async (job: ReplayJob) => {
    const schema = snapshot.streamByLog(job.log.uid)?.schema;
    if (!schema) throw notFound("the stream of the sink");
    const signal = AbortSignal.timeout(COUNT_MS * 10);
    return await countRows(job, {
      range,
      schema,
      signal,
      deadlineMs: performance.now() + COUNT_MS,
    });
  };
}

/** Delivers replays. */
export function createReplayHandler(
  foundations: Foundations,
  delivery: Delivery,
  range: RangeReader,
): TaskHandler {
  const { snapshot: definitions, templates } = foundations;
  const parts = {
    definitions,
    range,
    templates,
    drivers: sinkDrivers,
    environment: environmentOf(foundations),
    statuses: delivery.statuses,
    hold: delivery.held.holdRefused,
    now: Date.now,
  };
  return {
    async run(task, { signal, save }) {
      const { job, count } = replayInputOf(task);
      await runReplay(parts, job, {
        progress: replayProgressOf(task),
        signal,
        save: (progress) => {
          const done = doneCount(progress);
          return save({ position: { ...progress }, done, total: Math.max(count, done) });
        },
      });
    },
    ended: async () => undefined,
  };
}
