/**
 * A shard that ends below what was counted of it has lost its end: the mark of the count is the witness of what
 * was stored. What is stored next gets the same sequences again, so the mark goes back to where the shard ends.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { UsageCounterOptions } from "./usage-counter.ts";

/** A shard that has lost its end. */
export interface CutOff {
  readonly shard: number;
  readonly identity: string;
  /** Where it ends now. */
  readonly lastSequence: number;
  /** Up to where it was counted. */
  readonly counted: number;
}

/** How often, and how long apart, such a shard is looked at before that is believed. */
const LOOKS = 3;
const LOOK_MS = 300;

/** What going back needs. */
type Tools = Pick<UsageCounterOptions, "log" | "store" | "onCutOff"> & {
  readonly signal: AbortSignal;
};

/** Tells of the loss, moves the mark back, and gives it. Fails with DATABASE_UNAVAILABLE, and when others count. */
export async function goBack(
  { shard, identity, counted }: Omit<CutOff, "lastSequence">,
  { log, store, onCutOff, signal }: Tools,
): Promise<number> {
  for (let look = 1; ; look++) {
    const { endSequence: lastSequence } = await log.info(shard);
    if (lastSequence >= counted) return counted;
    // A leader that was just elected may not know of the newest messages.
    if (look < LOOKS) await delay(LOOK_MS, undefined, { signal });
    else {
      await onCutOff?.({ shard, identity, counted, lastSequence });
      // Where a mark of 0 means none.
      const to = Math.max(1, lastSequence);
      const isMoved = await store.commit({ shard, identity, from: counted, to, counts: [] });
      if (!isMoved) throw new Error("another node counts the shard");
      return to;
    }
  }
}
