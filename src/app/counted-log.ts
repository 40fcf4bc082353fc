/** Waits for the usage of a log to be counted, before its records go. */
import { setTimeout as delay } from "node:timers/promises";
import { createUsageStore } from "../usage/usage-store.ts";
import type { Foundations } from "./foundations.ts";

const EVERY_MS = 50;
/** Counts are written every second; who waits longer than this goes on without them. */
const WAIT_MS = 3_000;

/**
 * Resolves when the owner of the log's shard has counted all of the log, at the latest after 3 s: then
 * nobody owns the shard or Postgres is away, and what was not counted is never counted.
 */
export function createCountedLog({ bus, database, logger }: Foundations) {
  const store = createUsageStore(database);
  return async (log: { readonly uid: string; readonly shard: number }): Promise<void> => {
    const { lastSequence, identity } = await bus.reader.info(log);
    const endMs = performance.now() + WAIT_MS;
    while ((await store.readMark({ shard: log.shard, identity })) < lastSequence) {
      if (performance.now() > endMs) {
        logger.warn("the last records of a deleted log may not be counted", { log: log.uid });
        return;
      }
      await delay(EVERY_MS);
    }
  };
}
