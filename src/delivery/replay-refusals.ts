/**
 * Records that a replay of stored records brought again and that were refused: they are held from then on, and
 * count as held instead of what they were before. Only those that live delivery has passed: what it has yet to
 * deliver it will settle itself.
 */
import { fail } from "../core/errors.ts";
import type { Place, RejectedPlace } from "../sinks/sink.ts";
import type { HoldInput } from "./held-store.ts";
import type { Lane } from "./lane.ts";
import { decodeRows, type LaneRow } from "./lane-row.ts";
import type { LaneState } from "./lane-state.ts";
import { comparePlaces, formatPlace, isWithin } from "./place.ts";
import { whileQuiet } from "./quiet-lanes.ts";
import type { SinkRun } from "./sink-run.ts";

const QUIET_TIMEOUT_MS = 10_000;

/** What one request of a replay had refused. */
export interface ReplayRefusals {
  /** Name of the Replay. */
  readonly replay: string;
  readonly sinkVersion: number;
  readonly rows: readonly RejectedPlace[];
}

interface Found extends HoldInput {
  readonly generation: number;
}

/**
 * Holds them; gives how many are held by it. A repeat holds and counts nothing twice, also after a crash.
 * Fails with OVERLOADED when there is no room and while the sink is busy, and with LOG_UNAVAILABLE.
 */
export async function holdReplayRefusals(run: SinkRun, refused: ReplayRefusals): Promise<number> {
  let count = 0;
  for (const [partition, rows] of await findRows(run, refused)) {
    const lanes = [run.lanes.get(partition)];
    const work = () => holdInLane(run, { partition, rows, sinkVersion: refused.sinkVersion });
    count += await whileQuiet(run, lanes, { timeoutMs: QUIET_TIMEOUT_MS, work });
  }
  return count;
}

/** The records as they are stored, by partition; without those that are gone. */
async function findRows(
  { options, owner }: SinkRun,
  { rows, replay }: ReplayRefusals,
): Promise<Map<number, Found[]>> {
  const found = new Map<number, Found[]>();
  for (const { place, reason, why } of rows) {
    const range = { fromSequence: place.sequence, maxMessages: 1, maxBytes: 1 };
    const [message] = await options.reader.read(owner.definition.log, range);
    const isThere = message?.sequence === place.sequence;
    const row = isThere ? decodeRows(message)[place.index] : undefined;
    if (!message || !row) continue;
    const { partition, generation } = message;
    const some = found.get(partition) ?? [];
    found.set(partition, some);
    some.push({ row, reason, why, replay, generation });
  }
  return found;
}

async function holdInLane(
  run: SinkRun,
  input: {
    readonly partition: number;
    readonly rows: readonly Found[];
    readonly sinkVersion: number;
  },
): Promise<number> {
  const { partition, sinkVersion } = input;
  const { lane } = run.lanes.get(partition);
  const { state } = lane;
  const held = new Set((await run.held.keys()).map(({ place }) => formatPlace(place)));
  countNoted(state, held);
  const rows = input.rows.filter(
    ({ row }) => isPassed(lane, row) && !held.has(formatPlace(row.place)),
  );
  if (rows.length === 0) return 0;
  // Noted first: whoever finds copies of these after a crash counts them.
  state.refused = rows.map(({ row }) => row.place);
  await run.owner.confirm();
  for (const [generation, some] of Map.groupBy(rows, (each) => each.generation)) {
    const facts = { partition, generation, sinkVersion, holdTimeMs: run.now() };
    if (!(await run.held.put(some, facts))) {
      throw fail("OVERLOADED", "too many records are held for this sink: replay or discard some");
    }
    for (const { row } of some) countHeld(run, lane, row);
    state.refused = state.refused.filter(
      (place) => !some.some(({ row }) => isSame(row.place, place)),
    );
  }
  state.revision += 1;
  await run.owner.confirm();
  return rows.length;
}

/** Counts those that were noted to be held, and of which a crash has left a copy; the others come again. */
export function countNoted(state: LaneState, held: ReadonlySet<string>): void {
  if (state.refused.length === 0) return;
  const { counts } = state;
  const stored = state.refused.filter((place) => held.has(formatPlace(place))).length;
  const count = Math.min(stored, counts.delivered);
  counts.delivered -= count;
  counts.held += count;
  state.refused = [];
  state.revision += 1;
}

const isSame = (a: Place, b: Place) => comparePlaces(a, b) === 0;

/** Whether live delivery is done with a record, and its copy is not about to go. */
function isPassed({ state, requests }: Lane, row: LaneRow): boolean {
  const { place, keyHash } = row;
  if (comparePlaces(place, state.next) >= 0 || isWithin(state.staged, place)) return false;
  if (requests.some(({ ranges }) => isWithin(ranges, place))) return false;
  if (state.released.some((each) => isSame(each, place))) return false;
  const key = keyHash === undefined ? undefined : state.parked.get(keyHash);
  return !key || comparePlaces(place, key.first) < 0;
}

/** Its filter may have left it out; else it counts as one that was delivered. */
function countHeld({ versions }: SinkRun, { state: { counts } }: Lane, row: LaneRow): void {
  const isPassing = versions.at(row.sequence).transform.passes(row);
  if (!isPassing && counts.filtered > 0) counts.filtered -= 1;
  else if (counts.delivered > 0) {
    counts.delivered -= 1;
    counts.deliveredBytes = Math.max(0, counts.deliveredBytes - row.jsonBytes);
  } else return;
  counts.held += 1;
}
