/** When retention would begin to take what a stopped sink still needs (N16). Pure, an estimate. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type LossClock,
  LossClock_Limit,
  LossClockSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { LogInfo } from "../core/log.ts";

/** What the estimate is made from. */
export interface LossFacts {
  /** Retention of the stream; 0 for none. */
  readonly retentionAgeMs: number;
  readonly retentionBytes: number;
  /** Age at which its archive deletes records, Infinity for never; undefined when no archive takes them. */
  readonly archiveAgeMs?: number | undefined;
  /** Arrival of the oldest record that is needed, in ms since 1970. */
  readonly oldestMs: number;
  /** First sequence that is needed. */
  readonly neededFrom: number;
  /** Records that wait. */
  readonly pending: number;
  readonly info: Pick<LogInfo, "firstSequence" | "lastSequence" | "bytes">;
  readonly nowMs: number;
}

/** The later of a lifetime and this is never. */
const NEVER_MS = 100 * 365 * 86_400_000;

/** The clock; undefined when no limit is in sight. */
export function lossClock(facts: LossFacts): LossClock | undefined {
  const { retentionAgeMs, oldestMs, nowMs, pending } = facts;
  const byAge = retentionAgeMs > 0 ? oldestMs + retentionAgeMs : Number.POSITIVE_INFINITY;
  const byBytes = bytesFullMs(facts);
  const byLog = Math.min(byAge, byBytes);
  // Only what neither log nor archive holds is lost.
  const byArchive = oldestMs + (facts.archiveAgeMs ?? Number.NEGATIVE_INFINITY);
  const timeMs = Math.max(nowMs, byLog, byArchive);
  if (timeMs > nowMs + NEVER_MS) return undefined;
  const ofLog = byBytes < byAge ? LossClock_Limit.BYTES : LossClock_Limit.AGE;
  return create(LossClockSchema, {
    time: timestampFromMs(Math.round(timeMs)),
    limit: byArchive > byLog ? LossClock_Limit.ARCHIVE_AGE : ofLog,
    pending: BigInt(pending),
  });
}

/** When what is needed fills the bytes, at the rate at which it came. */
function bytesFullMs({ retentionBytes, info, neededFrom, oldestMs, nowMs }: LossFacts): number {
  if (retentionBytes <= 0) return Number.POSITIVE_INFINITY;
  // Other logs of the shard stand between, about evenly.
  const span = Math.max(1, info.lastSequence - info.firstSequence + 1);
  const share = Math.min(1, Math.max(0, info.lastSequence - neededFrom + 1) / span);
  const bytes = info.bytes * share;
  const perMs = bytes / Math.max(1_000, nowMs - oldestMs);
  return perMs > 0 ? nowMs + (retentionBytes - bytes) / perMs : Number.POSITIVE_INFINITY;
}
