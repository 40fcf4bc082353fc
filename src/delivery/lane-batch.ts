/** Choosing the records of the next request from those that wait in a lane. */
import type { Place } from "../sinks/sink.ts";
import type { LaneRow } from "./lane-row.ts";
import type { ParkedKeys } from "./parked-keys.ts";
import type { RowQueue } from "./row-queue.ts";
import type { VersionPlan } from "./version-table.ts";

/** Rows of a request to a destination that gathers them itself. */
const STAGING_COUNT_MAX = 1_000;
/** Records of a request that a filter leaves out, and their bytes: so many, and it goes without being full. */
const FILTERED_COUNT_MAX = 10_000;
const FILTERED_BYTES_MAX = 4 * 1024 * 1024;
/** Ranges of a request, so that a cursor stays small (D5): with parked keys every other record may be missing. */
const RANGES_MAX = 64;

/** What planning needs to know. */
export interface PlanInput {
  readonly versionAt: (sequence: number) => VersionPlan;
  /** Whether an incomplete batch may go now. */
  readonly isForced: boolean;
  /** Whether the destination gathers rows itself: then requests are small and go at once. */
  readonly isStaging: boolean;
  /** Whether only a full batch may go now. */
  readonly isPatient?: boolean;
  readonly nowMs: number;
}

/** What a lane has to choose from. */
export interface BatchSource {
  readonly pending: RowQueue;
  readonly parked: ParkedKeys;
  /** When the oldest record of `pending` was read. */
  readonly pendingSinceMs: number;
  /** Whether a request waits to be sent. */
  readonly hasUnsent: boolean;
}

/** Records for one request. */
export interface Batch {
  readonly plan: VersionPlan;
  readonly rows: LaneRow[];
  /** Numbers of the rows: those of neighbours in the lane differ by one. */
  readonly ordinals: number[];
  /** How many records of the queue it uses up, those of parked keys included. */
  readonly length: number;
  /** Place of the last of them. */
  readonly last: Place;
}

/** The next batch; undefined when none is complete (or nothing waits). The head must not be parked. */
export function chooseBatch(source: BatchSource, input: PlanInput): Batch | undefined {
  const { pending, pendingSinceMs } = source;
  const { versionAt, isForced, isStaging, nowMs } = input;
  const first = pending.at(0);
  if (!first) return undefined;
  const plan = versionAt(first.sequence);
  const newest = pending.at(pending.length - 1)!;
  const isPrompt = isStaging || plan.timeMs === 0;
  // What is there goes at once, but not in small pieces that would only wait for each other.
  const isTime = isPrompt ? !source.hasUnsent : nowMs - pendingSinceMs >= plan.timeMs;
  const isDue = isTime && input.isPatient !== true;
  const countMax = isStaging ? Math.min(plan.countMax, STAGING_COUNT_MAX) : plan.countMax;
  const isShort = pending.passing < countMax && pending.passingBytes < plan.bytesMax;
  if (!isDue && !isForced && isShort && versionAt(newest.sequence) === plan) {
    return undefined;
  }
  const { isFull, ...batch } = gather(source, { plan, countMax, versionAt });
  return isDue || isForced || isFull ? batch : undefined;
}

function gather(
  { pending, parked }: BatchSource,
  {
    plan,
    countMax,
    versionAt,
  }: Pick<PlanInput, "versionAt"> & { plan: VersionPlan; countMax: number },
): Batch & { readonly isFull: boolean } {
  const rows: LaneRow[] = [];
  const ordinals: number[] = [];
  const keys = new Set<number>();
  let bytes = 0;
  let passing = 0;
  let filteredBytes = 0;
  let ranges = 0;
  let at = 0;
  let isFull = false;
  for (; at < pending.length && !isFull; at++) {
    const row = pending.at(at)!;
    if (parked.isParked(row)) continue;
    const ordinal = pending.ordinalAt(at);
    const isPassing = pending.isPassingAt(at);
    if (isPassing) bytes += row.jsonBytes;
    else filteredBytes += row.jsonBytes;
    if (ordinal !== ordinals.at(-1)! + 1) ranges += 1;
    const isOther = rows.length > 0 && versionAt(row.sequence) !== plan;
    // A key that is parked when a record is held must not have a later record in the same request.
    const isRepeated = plan.isKeyBlocked && row.keyHash !== undefined && keys.has(row.keyHash);
    const isOver = bytes > plan.bytesMax || ranges > RANGES_MAX;
    isFull = rows.length > 0 && (isOther || isRepeated || isOver);
    if (isFull) break;
    if (row.keyHash !== undefined && plan.isKeyBlocked && isPassing) keys.add(row.keyHash);
    rows.push(row);
    ordinals.push(ordinal);
    if (isPassing) passing += 1;
    isFull =
      passing >= countMax ||
      bytes >= plan.bytesMax ||
      rows.length - passing >= FILTERED_COUNT_MAX ||
      filteredBytes >= FILTERED_BYTES_MAX;
  }
  return { plan, rows, ordinals, length: at, last: pending.at(at - 1)!.place, isFull };
}
