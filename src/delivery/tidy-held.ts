/** What a crash leaves of held records: copies that are to go, keys that wait for none. */
import type { HeldQuota } from "./held-quota.ts";
import type { HeldKey } from "./held-store.ts";
import type { Lane } from "./lane.ts";
import { formatPlace, isWithin } from "./place.ts";
import { countNoted } from "./replay-refusals.ts";

/**
 * Removes copies of records that were released, and lets keys go on that no copy stands for. With
 * `isTakenOver` nothing was sent from these lanes yet: then a copy of a record in an open request is what
 * the last owner stored before it died. The record is sent again, so it would be held beside that.
 */
export async function tidyHeld(
  lanes: readonly Lane[],
  held: HeldQuota,
  { isTakenOver }: { readonly isTakenOver: boolean },
): Promise<void> {
  const isOpen = ({ requests }: Lane) => isTakenOver && requests.length > 0;
  const isTidy = (lane: Lane) =>
    lane.state.released.length + lane.state.refused.length + lane.state.parked.size === 0 &&
    !isOpen(lane);
  if (lanes.every(isTidy)) return;
  // Before anything is awaited: a command may release others meanwhile.
  const left = lanes.map((lane) => (isTakenOver ? lane.requests.map(({ ranges }) => ranges) : []));
  const keys = await held.keys();
  for (const [i, lane] of lanes.entries()) {
    const { state } = lane;
    const own = keys.filter((key) => key.partition === state.partition);
    const released = new Set(state.released.map(formatPlace));
    const isReleased = (key: HeldKey) => released.has(formatPlace(key.place));
    const isLeft = ({ place }: HeldKey) => left[i]!.some((ranges) => isWithin(ranges, place));
    await held.remove(own.filter((key) => isReleased(key) || isLeft(key)));
    // A command may have released others meanwhile.
    state.released = state.released.filter((place) => !released.has(formatPlace(place)));
    if (isTakenOver) countNoted(state, new Set(own.map(({ place }) => formatPlace(place))));
    const waiting = own.filter((key) => !isReleased(key) && !isLeft(key));
    const blocked = new Set(waiting.map((key) => key.keyHash));
    lane.unpark([...state.parked.hashes()].filter((hash) => !blocked.has(hash)));
  }
}
