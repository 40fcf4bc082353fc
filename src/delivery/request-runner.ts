/** Sends the requests of lanes and does what their outcomes ask for. */
import { setTimeout as delay } from "node:timers/promises";
import type { AttemptLog } from "../core/attempt.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { SinkRequest } from "../sinks/sink.ts";
import { type AttemptOutcome, noteAttempt } from "./attempt-notes.ts";
import type { AtPoint } from "./crash-points.ts";
import { attemptWrite, type Destination, outcomeOfError, withTimeLimit } from "./destinations.ts";
import type { HeldQuota } from "./held-quota.ts";
import type { HoldInput } from "./held-store.ts";
import type { Lane } from "./lane.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { LaneRun } from "./lane-run.ts";
import type { DoneRequest } from "./lane-state.ts";
import type { PreparedOutcome } from "./plan-transform.ts";
import { laneAfter, takeBack } from "./requests-in-order.ts";
import { isError, type Retry, retryWaitMs } from "./retry-wait.ts";
import { sortRows } from "./settled-rows.ts";
import { encodeLane } from "./sink-state.ts";
import type { VersionPlan, VersionTable } from "./version-table.ts";

const HOLD_RETRY_MS = 1_000;
/** How long filtering and mapping one request may take. */
const PREPARE_TIMEOUT_MS = 60_000;

/** What the runner asks of the worker whose requests it sends. */
export interface RequestHost {
  readonly sinkUid: string;
  readonly definition: SinkDefinition;
  readonly attempts: AttemptLog | undefined;
  readonly at: AtPoint | undefined;
  readonly logger: Logger;
  readonly held: HeldQuota;
  readonly now: () => number;
  readonly steady: () => number;
  readonly random: () => number;
  /** Ends everything at once when ownership is lost. */
  readonly signal: AbortSignal;
  epoch(): number;
  isCurrent(run: LaneRun): boolean;
  readonly versions: VersionTable;
  readonly keepsCursor: boolean;
  /** Rejects when this node may no longer be the owner. */
  assertOwner(): Promise<void>;
  /** Resolves when the pages are stored that the cursor of a lane names now, so that a target may keep it. */
  pagesStored(lane: Lane): Promise<void>;
  /** The destination of a version, claimed for the lane's partition. */
  destination(plan: VersionPlan, partition: number): Promise<Destination>;
  /** Rows of a request are staged; its rows are let go. */
  staged(run: LaneRun, request: LaneRequest, plan: VersionPlan): void;
  /** A request is under way, and the next may follow it. */
  followable(): void;
  /** A request was taken; `cursorRevision` is that of the lane in its target now. */
  succeeded(run: LaneRun, cursorRevision: number | undefined): void;
  /** For how long the sink has done nothing but fail, in milliseconds: 0 at its first failure. */
  failingMs(): number;
  /** The lane waits: until a time (`steady` terms), or for its owner when that is Infinity. */
  waits(
    run: LaneRun,
    untilMs: number,
    fault: { reason: string; why: string; isError: boolean },
  ): void;
  /** Something that the cursor tells has changed; urgent when a request waits for its write. */
  changed(isUrgent: boolean): void;
  fenced(): void;
}

/** Sends one request and settles it, or lets its lane wait. Never throws. */
export async function runRequest(
  host: RequestHost,
  run: LaneRun,
  request: LaneRequest,
): Promise<void> {
  request.state = "sending";
  const plan = host.versions.byNumber(request.version);
  const { partition } = run.lane.state;
  const facts = {
    sink: host.definition,
    version: request.version,
    requestId: requestId(host.sinkUid, partition, request.number),
    number: request.failures + 1,
    partition,
    ranges: request.ranges,
    records: request.count,
    isReplay: false,
  };
  const outcome = await noteAttempt(host, facts, () => attempt(host, run, { request, plan }));
  // The lane may have been replaced by what its target keeps: then the request is planned anew.
  if (host.signal.aborted || !host.isCurrent(run)) return;
  try {
    await handle(host, run, { request, plan, outcome });
  } catch (error) {
    if (!host.signal.aborted) throw error;
  }
}

interface Sent {
  readonly request: LaneRequest;
  readonly plan: VersionPlan;
}

async function attempt(
  host: RequestHost,
  { lane }: LaneRun,
  { request, plan }: Sent,
): Promise<AttemptOutcome> {
  try {
    await host.assertOwner();
    const limit = { signal: host.signal, timeoutMs: PREPARE_TIMEOUT_MS };
    const prepared = await withTimeLimit(limit, (signal) =>
      plan.transform.prepare(request.rows ?? [], signal),
    );
    const { rows, rejects, filtered, filteredBytes } = prepared;
    const leftOut = { filtered, filteredBytes };
    // The cursor of other sinks needs no request to go on.
    if (rows.length === 0 && !host.keepsCursor) {
      return { kind: "rows", outcomes: prepared.merge([]) };
    }
    const destination = await host.destination(plan, lane.state.partition);
    if (host.keepsCursor) await host.pagesStored(lane);
    const cursor = host.keepsCursor ? cursorOf(host, lane, { request, ...leftOut }) : {};
    if (!cursor) return { kind: "behind" };
    const sent: SinkRequest = {
      id: requestId(host.sinkUid, lane.state.partition, request.number),
      partition: lane.state.partition,
      generation: lane.state.generation,
      epoch: host.epoch(),
      rows,
      isReplay: false,
      ...(rejects.length > 0 && { rejects }),
      ...cursor,
    };
    const { attemptTimeoutMs: timeoutMs } = plan;
    host.at?.("sending");
    const writing = attemptWrite(destination.sink, sent, { timeoutMs, signal: host.signal });
    if (destination.sink.isPipelined) {
      request.filteredAhead = leftOut;
      host.followable();
    }
    const outcome = await writing;
    host.at?.("answered");
    if (outcome.kind !== "rows") return outcome;
    return { kind: "rows", outcomes: prepared.merge(outcome.outcomes) };
  } catch (error) {
    return outcomeOfError(error);
  } finally {
    // What comes of it is known, so none may go on from what was assumed.
    request.filteredAhead = undefined;
  }
}

/** What a target that keeps the cursor is told; undefined when the request must wait for one before it. */
function cursorOf(
  host: RequestHost,
  lane: Lane,
  { request, ...leftOut }: DoneRequest,
): Pick<SinkRequest, "cursor" | "after"> | undefined {
  const next = laneAfter(lane, request, leftOut);
  if (!next) return undefined;
  request.cursorRevision = next.state.revision;
  const cursor = encodeLane(next.state);
  if (!next.ahead) return { cursor };
  return { cursor, after: requestId(host.sinkUid, lane.state.partition, next.ahead.number) };
}

/** Stable id of a request: `<sink uid>-<partition>-<number>`. */
export function requestId(sinkUid: string, partition: number, number: number): string {
  return `${sinkUid}-${partition}-${number}`;
}

async function handle(
  host: RequestHost,
  run: LaneRun,
  { request, plan, outcome }: Sent & { readonly outcome: AttemptOutcome },
): Promise<void> {
  switch (outcome.kind) {
    case "rows":
      return settle(host, run, { request, plan, outcomes: outcome.outcomes });
    case "fenced":
      return host.fenced();
    case "behind":
      return takeBack(run.lane, request);
    case "pause":
      request.state = "ready";
      return host.waits(run, Number.POSITIVE_INFINITY, { ...outcome, isError: true });
    case "retry":
      if (outcome.scope === "sink") return retryLater(host, run, { request, plan, outcome });
      return refuse(host, run, { request, plan, outcome });
  }
}

/** A request that was refused as a whole is halved; a single record of it is held. */
async function refuse(
  host: RequestHost,
  run: LaneRun,
  { request, plan, outcome }: Sent & { readonly outcome: Retry },
): Promise<void> {
  if (request.count > 1) {
    run.lane.split(request);
    host.at?.("halved");
    host.changed(true);
    return;
  }
  const { reason, why } = outcome;
  const outcomes = [{ kind: "reject", reason, why } as const];
  await settle(host, run, { request, plan, outcomes });
}

function retryLater(
  host: RequestHost,
  run: LaneRun,
  { request, plan, outcome }: Sent & { readonly outcome: Retry },
): void {
  request.state = "ready";
  request.failures += 1;
  if (outcome.burnsAttempt) request.attempts += 1;
  const { attempts } = request;
  const waitMs = retryWaitMs(outcome, { attempts, plan, random: host.random });
  host.waits(run, host.steady() + waitMs, {
    reason: outcome.reason,
    why: outcome.why,
    isError: isError(outcome, request, { plan, failingMs: host.failingMs() }),
  });
}

async function settle(
  host: RequestHost,
  run: LaneRun,
  { request, plan, outcomes }: Sent & { readonly outcomes: readonly PreparedOutcome[] },
): Promise<void> {
  const rows = request.rows ?? [];
  const { delivered, filtered, held } = sortRows(rows, outcomes);
  if (held.length > 0 && !(await hold(host, run, { request, held }))) {
    return waitForRoom(host, run, request);
  }
  if (held.length > 0) host.at?.("held");
  const isAllStaged = rows.length > 0 && delivered.length + filtered.length + held.length === 0;
  if (isAllStaged) host.staged(run, request, plan);
  else {
    const heldRows = held.map(({ row }) => row);
    const { isKeyBlocked } = plan;
    const resolution = { delivered, filtered, held: heldRows, isKeyBlocked };
    const rest = run.lane.resolve(request, resolution);
    if (isKeyBlocked && held.length > 0) host.at?.("parked");
    if (rest) host.staged(run, rest, plan);
  }
  host.at?.("settled");
  host.succeeded(run, request.cursorRevision);
  host.changed(false);
}

/** Too much is held: the request waits as it is until some of it was replayed or discarded. */
function waitForRoom(host: RequestHost, run: LaneRun, request: LaneRequest): void {
  const { count, bytes } = host.held.limits;
  request.state = "ready";
  host.waits(run, Number.POSITIVE_INFINITY, {
    reason: "HELD_FULL",
    why:
      `a record was refused and cannot be held, for this sink has ${count} held records or ` +
      `${Math.round(bytes / 1024 / 1024)} MiB of them: replay or discard some`,
    isError: true,
  });
}

/**
 * Stores copies before the cursor may pass the records (D1); waits as long as the store is away. Gives
 * false when there is no room for them.
 */
async function hold(
  host: RequestHost,
  { lane }: LaneRun,
  { request, held }: { request: LaneRequest; held: readonly HoldInput[] },
): Promise<boolean> {
  const { partition, generation } = lane.state;
  for (;;) {
    try {
      return await host.held.put(held, {
        partition,
        generation,
        sinkVersion: request.version,
        holdTimeMs: host.now(),
      });
    } catch (error) {
      host.logger.warn("held records could not be stored", { error: String(error) });
      await delay(HOLD_RETRY_MS, undefined, { signal: host.signal });
    }
  }
}
