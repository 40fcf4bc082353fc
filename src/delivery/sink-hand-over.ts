/** The end of a sink at one sequence, from which another sink goes on, and the way back. */
import { fail } from "../core/errors.ts";
import type { LogReader } from "../core/log.ts";
import type { AtPoint } from "./crash-points.ts";
import type { Feed, ShardEdge } from "./feed.ts";
import type { LogBound } from "./log-bound.ts";
import type { RunOwner } from "./run-owner.ts";
import type { SinkRun } from "./sink-run.ts";

/** The worker that ends. */
export interface HandOverHost extends Pick<RunOwner, "definition" | "note" | "confirm"> {
  readonly feed: Feed | undefined;
  ensureRun(): Promise<SinkRun>;
  /** Stops at once; delivery begins again from what is stored. */
  startAgain(): void;
}

/** What it looks at. */
export interface HandOverInput {
  readonly bound: LogBound;
  readonly edge: ShardEdge;
  readonly reader: LogReader;
  /** Whether the log is another than the cursor means. */
  readonly isRefused: boolean;
  readonly at: AtPoint | undefined;
}

/**
 * Ends delivery at a sequence above everything that this or an earlier owner may have planned, and gives
 * it; the same again when it has ended already. It is stored in the cursor, so every later owner ends
 * there too. Fails with WRONG_STATE and LOG_UNAVAILABLE.
 */
export async function handOver(
  host: HandOverHost,
  { bound, edge, reader, isRefused, at }: HandOverInput,
): Promise<number> {
  if (isRefused) throw fail("WRONG_STATE", host.note.note.cause);
  const run = await host.ensureRun();
  if (Number.isFinite(bound.end)) return bound.end;
  const { shardLastSequence } = await reader.info(host.definition.log);
  const read = Math.max(host.feed?.position ?? 0, run.lanes.reached);
  bound.end = Math.max(shardLastSequence + 1, edge.sequence + 1, read);
  at?.("handing-over");
  await host.confirm();
  at?.("handed-over");
  return bound.end;
}

/** Goes on after a hand-over that came to nothing. */
export async function takeBack(host: HandOverHost, bound: LogBound): Promise<void> {
  await host.ensureRun();
  if (!Number.isFinite(bound.end)) return;
  bound.end = Number.POSITIVE_INFINITY;
  await host.confirm();
  // What was not shown is read from the cursor on, as by a new owner.
  host.startAgain();
}
