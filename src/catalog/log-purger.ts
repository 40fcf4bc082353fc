/**
 * Deletes the records of logs whose stream or branch is gone. The logs are noted in the transaction
 * that deletes the definition, so nothing is forgotten over crashes; and they are purged a second time
 * a while later, because another node may have pushed until it knew.
 */
import { inArray, lt } from "drizzle-orm";
import type { Logger } from "../core/logger.ts";
import type { Database, Queries } from "../db/client.ts";
import { purges } from "../db/schema.ts";

/** A log, as far as its place goes. */
export interface LogPlace {
  readonly uid: string;
  readonly shard: number;
}

/** Notes and purges logs that are gone. */
export interface LogPurger {
  /** Notes logs for deletion, within the transaction that deletes their definition. */
  note(queries: Queries, logs: readonly LogPlace[]): Promise<void>;
  /** Purges noted logs now. Never fails: what does not work is tried again every minute. */
  purge(logs: readonly LogPlace[]): Promise<void>;
  /** Purges what was noted longer ago than any node may be behind; runs by itself every minute. */
  sweep(): Promise<void>;
  close(): void;
}

/** What the purger works with. */
export interface LogPurgerOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** Deletes all records of a log; does nothing when there is none. */
  readonly purgeLog: (log: LogPlace) => Promise<void>;
  readonly now?: () => number;
}

const SWEEP_MS = 60_000;
/** A node follows within 2 s; while it cannot reach Postgres it may push for 15 min more. */
const BEHIND_MS = 16 * 60_000;
const SWEEP_LOGS_MAX = 1_000;

/** Starts the purger; its owner closes it. */
export function createLogPurger(options: LogPurgerOptions): LogPurger {
  const { database, logger, purgeLog, now = Date.now } = options;
  const sweep = async () => {
    const before = new Date(now() - BEHIND_MS);
    const rows = await database.acrossProjects((queries) =>
      queries.select().from(purges).where(lt(purges.createTime, before)).limit(SWEEP_LOGS_MAX),
    );
    for (const row of rows) await purgeLog({ uid: row.logUid, shard: row.shard });
    const uids = rows.map((row) => row.logUid);
    if (uids.length === 0) return;
    await database.acrossProjects((queries) =>
      queries.delete(purges).where(inArray(purges.logUid, uids)),
    );
  };
  const timer = setInterval(() => {
    sweep().catch((error: unknown) => logger.warn("logs could not be purged yet", { error }));
  }, SWEEP_MS);
  timer.unref();
  return {
    async note(queries, logs) {
      const createTime = new Date(now());
      // Postgres takes 65,535 parameters at most.
      for (let i = 0; i < logs.length; i += 10_000) {
        const some = logs.slice(i, i + 10_000);
        const rows = some.map((log) => ({ logUid: log.uid, shard: log.shard, createTime }));
        await queries.insert(purges).values(rows).onConflictDoNothing();
      }
    },
    async purge(logs) {
      for (const log of logs) {
        await purgeLog(log).catch((error: unknown) =>
          logger.warn("a log could not be purged yet", { log: log.uid, error }),
        );
      }
    },
    sweep,
    close: () => clearInterval(timer),
  };
}
