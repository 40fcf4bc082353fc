/** Where one record stands with one sink, by the sink's cursor and its held copies (N08). */
import type { SinkDefinition } from "../core/definitions.ts";
import type { Place } from "../sinks/sink.ts";
import type { HeldStore } from "./held-store.ts";
import type { LaneState } from "./lane-state.ts";
import { comparePlaces, isWithin } from "./place.ts";
import type { SinkState } from "./sink-state.ts";

/** A record, as far as it is known: partition and key only while its log holds it. */
export interface StandingQuestion {
  readonly place: Place;
  readonly partition?: number | undefined;
  readonly keyHash?: number | undefined;
}

/**
 * Where it stands: before the sink's start, not reached yet, in an open request, gathered by the
 * destination, parked with its key, held, or passed: settled in one way or another.
 */
export interface Standing {
  readonly kind: "before" | "pending" | "sending" | "staged" | "parked" | "held" | "passed";
  /** Why it is held. */
  readonly reason: string;
  readonly why: string;
  /** Version of the sink that refused it, or that its open request applies; 0 when that is not known. */
  readonly version: number;
}

/** Where a record stands. Fails with LOG_UNAVAILABLE. */
export async function placeStanding(
  held: HeldStore,
  { sink, state }: { readonly sink: SinkDefinition; readonly state: SinkState | undefined },
  question: StandingQuestion,
): Promise<Standing> {
  const { place } = question;
  if (place.sequence < sink.startSequence) return standing("before");
  const lane = state?.lanes.find((l) => l.partition === question.partition);
  const found = lane ? inLane(lane, question) : outsideLanes(state, question);
  if (found.kind !== "passed") return found;
  const keys = (await held.keys(sink.uid)).filter((key) => comparePlaces(key.place, place) === 0);
  const [entry] = await held.read(sink.uid, keys);
  if (!entry) return found;
  const { reason, error, sinkVersion } = entry.copy;
  return { kind: "held", reason, why: error, version: Number(sinkVersion) };
}

/** A partition without a lane is settled below the sink's position; one that is not known, perhaps. */
function outsideLanes(state: SinkState | undefined, { place }: StandingQuestion): Standing {
  return standing(state && place.sequence < state.position ? "passed" : "pending");
}

function inLane(lane: LaneState, { place, keyHash }: StandingQuestion): Standing {
  const open = lane.requests.find(({ ranges }) => isWithin(ranges, place));
  if (open) return { ...standing("sending"), version: open.version };
  if (isWithin(lane.staged, place)) return standing("staged");
  const key = keyHash === undefined ? undefined : lane.parked.get(keyHash);
  if (key && comparePlaces(place, key.first) >= 0) return standing("parked");
  return standing(comparePlaces(place, lane.next) < 0 ? "passed" : "pending");
}

function standing(kind: Standing["kind"]): Standing {
  return { kind, reason: "", why: "", version: 0 };
}
