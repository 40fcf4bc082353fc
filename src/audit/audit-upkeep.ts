/** What the audit log needs from time to time: announced changes settled, old events removed. */
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import { settleIntents } from "./intent-store.ts";
import { trimChains } from "./trim.ts";

/** What upkeep works with. Times in milliseconds. */
export interface AuditUpkeepOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** How long events are kept; 0 for ever, else 30 days at least. */
  readonly retentionMs: number;
  readonly now?: () => number;
}

/** Twice the time that a call may take at most, and more: its server has ended or lost the database. */
const SETTLED_AFTER_MS = 3 * 60_000;
const SETTLE_MS = 20_000;
const TRIM_MS = 60 * 60_000;

/** Begins, with a first look at once; its owner closes it. */
export function openAuditUpkeep(options: AuditUpkeepOptions): { close(): Promise<void> } {
  const { database, logger, retentionMs, now = Date.now } = options;
  let working = Promise.resolve();
  const then = (work: () => Promise<unknown>) => {
    working = working.then(work).then(
      () => undefined,
      (error: unknown) => logger.debug("the audit log is kept up later", { error }),
    );
  };
  const settle = () => then(() => settleIntents(database, new Date(now() - SETTLED_AFTER_MS)));
  const trim = () => {
    if (retentionMs === 0) return;
    then(() => trimChains(database, new Date(now() - retentionMs), new Date(now())));
  };
  settle();
  trim();
  const timers = [setInterval(settle, SETTLE_MS), setInterval(trim, TRIM_MS)];
  for (const timer of timers) timer.unref();
  return {
    async close() {
      for (const timer of timers) clearInterval(timer);
      await working;
    },
  };
}
