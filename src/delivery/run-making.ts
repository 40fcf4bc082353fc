/** The run of a worker that was activated, and the feed that it reads from. */
import { Feed, type FeedTarget } from "./feed.ts";
import { createHeldQuota } from "./held-quota.ts";
import type { LogBound } from "./log-bound.ts";
import type { RunInput, RunOwner } from "./run-owner.ts";
import { SinkRun } from "./sink-run.ts";

/** What it is made from. */
export interface RunMakingInput extends Omit<RunInput, "held"> {
  readonly bound: LogBound;
}

/** Makes both; the run is to begin with the feed. */
export function makeRun(
  worker: RunOwner & FeedTarget,
  { bound, ...input }: RunMakingInput,
): { readonly run: SinkRun; readonly feed: Feed } {
  const { options } = input;
  const { definition, signal } = worker;
  const held = createHeldQuota(options.held, definition.uid, options.heldLimits);
  const run = new SinkRun(worker, { ...input, held });
  const feed = new Feed(
    {
      log: definition.log,
      reader: options.reader,
      edge: bound.edge,
      target: worker,
      logger: options.logger,
      signal,
    },
    run.lanes.position,
  );
  return { run, feed };
}
