/** Polled sources, on nodes that take pushes. */
import { claimPoll, savePoll } from "../catalog/poll-store.ts";
import { startPoller } from "../ingest/source-poller.ts";
import { createEgressGuard } from "../sinks/egress.ts";
import { createGuardedFetch } from "../sinks/guarded-fetch.ts";
import { nextPollTime } from "../sources/poll.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";
import type { WayIn } from "./way-in.ts";

const ANSWER_BYTES_MAX = 4 << 20;

/** Starts polling. */
export function openPoller(
  foundations: Foundations,
  { ingest, quarantine, stats }: WayIn,
  closers: Closers,
): void {
  const { database, snapshot, logger } = foundations;
  const poller = startPoller({
    definitions: snapshot,
    ingest,
    quarantine,
    stats,
    logger,
    states: {
      claim: (holder) => database.acrossProjects((queries) => claimPoll(queries, holder)),
      save: (state, holder) =>
        database.acrossProjects((queries) => savePoll(queries, { ...state }, holder)),
    },
    fetch: createGuardedFetch(createEgressGuard(environmentOf(foundations)), ANSWER_BYTES_MAX),
    nextTime: nextPollTime,
  });
  closers.add("polled sources", poller.close);
}
