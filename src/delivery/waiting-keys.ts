/** Keys of a sink whose records wait, with what they wait for. */
import type { Place } from "../sinks/sink.ts";
import type { HeldStore } from "./held-store.ts";
import type { SinkState } from "./sink-state.ts";

/** A key that waits. */
export interface WaitingKey {
  readonly partition: number;
  /** Kafka's murmur2 of the key. */
  readonly keyHash: number;
  /** No record of the key from here on is delivered. */
  readonly first: Place;
  /** Whether its records are being delivered now. */
  readonly isResuming: boolean;
  /** Held records of the key. */
  readonly held: readonly Place[];
}

/** All of them, in no order. Fails with LOG_UNAVAILABLE. */
export async function waitingKeys(
  held: Pick<HeldStore, "keys">,
  sinkUid: string,
  state: SinkState | undefined,
): Promise<WaitingKey[]> {
  const lanes = state?.lanes.filter(({ parked }) => parked.size > 0) ?? [];
  if (lanes.length === 0) return [];
  const places = new Map<string, Place[]>();
  for (const { partition, keyHash, place } of await held.keys(sinkUid)) {
    const id = `${partition}.${keyHash}`;
    const known = places.get(id) ?? [];
    places.set(id, known);
    known.push(place);
  }
  return lanes.flatMap(({ partition, parked }) =>
    [...parked.entries()].map(([keyHash, { first, isResuming }]) => ({
      ...{ partition, keyHash, first, isResuming },
      held: (places.get(`${partition}.${keyHash}`) ?? []).reverse(),
    })),
  );
}
