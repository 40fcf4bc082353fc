/** Sends the requests of a replay; a request that is refused as a whole is halved until one record is. */
import { createHash } from "node:crypto";
import { fail } from "../../core/errors.ts";
import { advance, type ReplayOutcome, type ReplayRefusal } from "../../core/replay-job.ts";
import type { RequestOutcome, SinkRequest } from "../../sinks/sink.ts";
import { attemptWrite, type Destination, outcomeOfError } from "../destinations.ts";
import type { LaneRow } from "../lane-row.ts";
import { formatPlace, placeAfter } from "../place.ts";
import type { PreparedOutcome } from "../plan-transform.ts";
import { encodeReplayCursor } from "./replay-cursor.ts";
import { type ReplayLane, type ReplayStep, taken } from "./replay-lane.ts";

const FLUSH_TIMEOUT_MS = 30_000;

/**
 * Sends rows and waits until they are durable. Fails with DESTINATION_UNAVAILABLE when they are to be
 * tried again, with DESTINATION_REFUSED when the destination wants no more, and with LOG_UNAVAILABLE
 * when another worker has the replay.
 */
export async function sendRows(
  lane: ReplayLane,
  rows: readonly LaneRow[],
  step: ReplayStep,
): Promise<ReplayOutcome> {
  const { plan, signal } = lane;
  const prepared = await plan.transform.prepare(rows, signal);
  const rejected = prepared.rejects.map(({ place, reason, why }) => {
    const row = rows.find((each) => formatPlace(each.place) === formatPlace(place));
    return { recordId: row?.recordId ?? "", place, reason, why };
  });
  const { filtered, rows: sent, rejects } = prepared;
  if (sent.length === 0) {
    await hold(lane, rejected);
    return { delivered: 0, filtered, refusals: rejected };
  }
  const hash = createHash("sha256").update(rows.map((row) => row.recordId).join());
  const counts = { sent: sent.length, filtered, unmapped: rejects.length };
  const request: SinkRequest = {
    id: `${lane.uid}-r-${hash.digest("base64url").slice(0, 24)}`,
    partition: 0,
    generation: 0,
    epoch: lane.epoch,
    rows: sent,
    isReplay: true,
    ...(rejects.length > 0 && { rejects }),
    ...(lane.keepsCursor && { cursor: encodeReplayCursor(step, counts) }),
  };
  const timeoutMs = plan.attemptTimeoutMs;
  const { sink } = lane.destination;
  const outcome = await attemptWrite(sink, request, { timeoutMs, signal });
  if (outcome.kind === "rows") {
    return await settle(lane, rows, prepared.merge(outcome.outcomes));
  }
  const resend: Resend = (some, at) => sendRows(lane, some, at);
  return await handle(outcome, rows, { lane, resend, step });
}

async function hold(lane: ReplayLane, refusals: readonly ReplayRefusal[]): Promise<void> {
  if (refusals.length > 0) await lane.hold(refusals);
}

type Resend = (rows: readonly LaneRow[], step: ReplayStep) => Promise<ReplayOutcome>;

async function handle(
  outcome: Exclude<RequestOutcome, { kind: "rows" }>,
  rows: readonly LaneRow[],
  {
    lane,
    resend,
    step,
  }: { readonly lane: ReplayLane; readonly resend: Resend; readonly step: ReplayStep },
): Promise<ReplayOutcome> {
  if (outcome.kind === "fenced" || outcome.kind === "behind") throw taken();
  if (outcome.kind === "pause") throw fail("DESTINATION_REFUSED", outcome.why);
  if (outcome.scope === "sink") {
    throw fail("DESTINATION_UNAVAILABLE", `${outcome.reason}: ${outcome.why}`);
  }
  if (rows.length === 1) {
    const [row] = rows;
    const { reason, why } = outcome;
    const refusal = { recordId: row!.recordId, place: row!.place, reason, why };
    await hold(lane, [refusal]);
    return { delivered: 0, filtered: 0, refusals: [refusal] };
  }
  const half = Math.ceil(rows.length / 2);
  const middle = placeAfter(rows[half - 1]!.place);
  const first = await resend(rows.slice(0, half), { ...step, next: middle });
  const progress = { ...advance(step.progress, first), next: middle };
  const second = await resend(rows.slice(half), { progress, next: step.next });
  return {
    delivered: first.delivered + second.delivered,
    filtered: first.filtered + second.filtered,
    refusals: [...first.refusals, ...second.refusals],
  };
}

async function settle(
  lane: ReplayLane,
  rows: readonly LaneRow[],
  outcomes: readonly PreparedOutcome[],
): Promise<ReplayOutcome> {
  const refusals: ReplayRefusal[] = [];
  let [delivered, filtered, staged] = [0, 0, 0];
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.kind === "delivered") delivered += 1;
    else if (outcome.kind === "filtered") filtered += 1;
    else if (outcome.kind === "staged") staged += 1;
    else {
      const { recordId, place } = rows[i]!;
      refusals.push({ recordId, place, reason: outcome.reason, why: outcome.why });
    }
  }
  if (staged > 0) await flush(lane.destination, lane.signal);
  await hold(lane, refusals);
  return { delivered: delivered + staged, filtered, refusals };
}

async function flush({ sink }: Destination, signal: AbortSignal): Promise<void> {
  try {
    await sink.flush?.("close", AbortSignal.any([signal, AbortSignal.timeout(FLUSH_TIMEOUT_MS)]));
  } catch (error) {
    signal.throwIfAborted();
    const outcome = outcomeOfError(error);
    const why = outcome.kind === "retry" ? `${outcome.reason}: ${outcome.why}` : String(error);
    throw fail("DESTINATION_UNAVAILABLE", why, { cause: error });
  }
}
