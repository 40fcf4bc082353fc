/** What of a sink its owner should hear, from its status. Pure. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import {
  LossClock_Limit,
  Sink_State,
  type SinkStatusSchema,
} from "#gen/tributary/management/v1/sink_pb.js";

/** A status as delivery gives it. */
export type Status = MessageInitShape<typeof SinkStatusSchema>;

/** Something that goes on. */
export interface Condition {
  readonly kind: Kind;
  readonly reason: string;
  readonly message: string;
}

/** What is to be told of a sink. */
export interface Limits {
  readonly nowMs: number;
  /** How long before the first loss is soon. */
  readonly warningMs: number;
  /** How old the oldest record that waits may become; as old as it gets when not given. */
  readonly lagMs?: number | undefined;
}

/** What goes on with a sink. */
export function conditionsOf(status: Status, { nowMs, warningMs, lagMs }: Limits): Condition[] {
  return [
    errorOf(status),
    missingOf(status),
    heldOf(status),
    lossOf(status, nowMs, warningMs),
    lagOf(status, lagMs),
  ].filter((condition) => condition !== undefined);
}

/** Reasons of errors that do not end by trying again: something of the log is gone, or cannot be read. */
const LOSSES: ReadonlySet<string> = new Set([
  ...["LOG_TRIMMED", "LOG_RECREATED", "LOG_BEHIND", "LOG_CORRUPT"],
]);

function missingOf({ logLosses = [] }: Status): Condition | undefined {
  const [newest] = logLosses;
  if (!newest) return undefined;
  return { kind: Kind.MISSING, reason: "RECORDS_MISSING", message: newest.message ?? "" };
}

function errorOf({ state, cause, reason }: Status): Condition | undefined {
  if (state !== Sink_State.ERROR) return undefined;
  const why = cause || "no cause is known";
  const message = LOSSES.has(reason ?? "")
    ? `delivery stands still, for ${why}`
    : `delivery fails: ${why}. Everything is kept, and tried again.`;
  return { kind: Kind.ERROR, reason: reason || "ERROR", message };
}

function heldOf({ counts }: Status): Condition | undefined {
  const held = Number(counts?.held ?? 0n);
  if (held === 0) return undefined;
  const records = held === 1 ? "1 record" : `${held} records`;
  const message = `${records} could not be delivered and ${held === 1 ? "is" : "are"} held: look, then replay or discard.`;
  return { kind: Kind.HELD, reason: "RECORDS_HELD", message };
}

const LIMITS = {
  [LossClock_Limit.LIMIT_UNSPECIFIED]: "retention",
  [LossClock_Limit.AGE]: "retention age",
  [LossClock_Limit.BYTES]: "retention bytes",
  [LossClock_Limit.ARCHIVE_AGE]: "retention age of the archive",
} as const satisfies Record<LossClock_Limit, string>;

function lossOf({ loss }: Status, nowMs: number, warningMs: number): Condition | undefined {
  const time = loss?.time as Parameters<typeof timestampMs>[0] | undefined;
  if (!loss || !time || timestampMs(time) - nowMs > warningMs) return undefined;
  const when = new Date(timestampMs(time)).toISOString();
  const limit = LIMITS[loss.limit ?? LossClock_Limit.AGE];
  const message =
    `${loss.pending ?? 0n} records wait for this sink, and from about ${when} on the ${limit} of the stream ` +
    "will take them: mend or resume the sink, or raise the retention.";
  return { kind: Kind.LOSS, reason: "LOSS_AHEAD", message };
}

/** A sink that its owner has paused is late because they want it so. */
function lagOf({ state, lag, counts, cause }: Status, lagMs?: number): Condition | undefined {
  if (lagMs === undefined || !lag || state === Sink_State.PAUSED) return undefined;
  const ms = durationMs(lag as Parameters<typeof durationMs>[0]);
  if (ms < lagMs) return undefined;
  const why = cause ? ` The cause: ${cause}.` : " It runs: more comes than its destination takes.";
  const pending = Number(counts?.pending ?? 0n);
  const records = pending === 1 ? "1 record waits" : `${pending} records wait`;
  const message = `${records}, the oldest for ${seconds(ms)}; ${seconds(lagMs)} are allowed.${why}`;
  return { kind: Kind.LAG, reason: "LAG_EXCEEDED", message };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
