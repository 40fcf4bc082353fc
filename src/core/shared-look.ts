/** One more look into the database for what another node may have made just now. */
import { setTimeout } from "node:timers/promises";

/** All that ask within this time share one look, so that unknown names never load the database. */
const LOOK_EVERY_MS = 100;
/** How long they wait for it. */
const LOOK_WAIT_MS = 2_000;

/** Makes the look: resolves after the next shared refresh, or when that takes too long or fails. */
export function createSharedLook(refresh: () => Promise<void>): () => Promise<void> {
  let next: Promise<void> | undefined;
  const look = async () => {
    await setTimeout(LOOK_EVERY_MS);
    next = undefined;
    const tooLate = new AbortController();
    const wait = setTimeout(LOOK_WAIT_MS, undefined, { signal: tooLate.signal });
    await Promise.race([refresh(), wait]).catch(() => undefined);
    tooLate.abort();
    await wait.catch(() => undefined);
  };
  return () => {
    next ??= look();
    return next;
  };
}
