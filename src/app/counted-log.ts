/** Waits for the usage of a log to be counted. */
import { setTimeout as delay } from "node:timers/promises";
import { createUsageStore } from "../usage/usage-store.ts";
import type { Foundations } from "./foundations.ts";

const EVERY_MS = 50;
/** Counts are written every second; who waits longer than this goes on without them. */
const WAIT_MS = 3_000;

/**
 * Resolves with true when the owner of the log's shard has counted all of the log, with false after 3 s:
 * then nobody owns the shard or counting is behind, and what is not counted yet is counted later unless
 * its records go. Fails with LOG_UNAVAILABLE and DATABASE_UNAVAILABLE.
 */
export function createCountedLog({ bus, database }: Foundations) {
  const store = createUsageStore(database);
  return async (log: { readonly uid: string; readonly shard: number }): Promise<boolean> => {
    const { lastSequence, identity } = await bus.reader.info(log);
    const endMs = performance.now() + WAIT_MS;
    while ((await store.readMark({ shard: log.shard, identity })) < lastSequence) {
      if (performance.now() > endMs) return false;
      await delay(EVERY_MS);
    }
    return true;
  };
}
