/** What of the quotas only Postgres knows: stored bytes and balances, looked at every few seconds. */
import { sql } from "drizzle-orm";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";

/** What is known. */
export interface QuotaWatch {
  /** Bytes that the project's logs, staging and archives hold; 0 when nothing is known. */
  storedBytes(projectUid: string): number;
  /** Whether the balance is 0 or less and the owner wants pushes to stop then. */
  isUsedUp(projectUid: string): boolean;
  /** Looks now. Fails with DATABASE_UNAVAILABLE. */
  refresh(): Promise<void>;
  close(): void;
}

/** What the watch works with. */
export interface QuotaWatchOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** 5 s. */
  readonly everyMs?: number;
}

/** Starts to look; nothing is known before the first answer, and while Postgres is away it stays as it was. */
export function watchQuotas({ database, logger, everyMs = 5_000 }: QuotaWatchOptions): QuotaWatch {
  let stored: ReadonlyMap<string, number> = new Map();
  let usedUp: ReadonlySet<string> = new Set();
  const refresh = () =>
    database.acrossProjects(async (queries) => {
      const bytes = await queries.execute<{ uid: string; bytes: string }>(sql`
        SELECT project_uid AS uid, sum(bytes) AS bytes FROM (
          SELECT project_uid, bytes FROM tributary.stored_bytes
          UNION ALL SELECT project_uid, bytes FROM tributary.archived_bytes) held GROUP BY 1`);
      const empty = await queries.execute<{ uid: string }>(sql`
        SELECT l.project_uid AS uid FROM tributary.project_limits l WHERE l.stop_when_used AND
          coalesce((SELECT sum(amount_micros) FROM tributary.ledger_entries e
            WHERE e.project_uid = l.project_uid), 0)
          <= coalesce((SELECT round(sum(charge)) FROM tributary.usage_days d
            WHERE d.project_uid = l.project_uid), 0)`);
      stored = new Map(bytes.map((row) => [row.uid, Number(row.bytes)]));
      usedUp = new Set(empty.map((row) => row.uid));
    });
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      await refresh();
    } catch (error) {
      logger.debug("quotas cannot be looked at for now", { error });
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  void look();
  return {
    storedBytes: (projectUid) => stored.get(projectUid) ?? 0,
    isUsedUp: (projectUid) => usedUp.has(projectUid),
    refresh,
    close: () => clearInterval(timer),
  };
}
