/** Ledgers of sinks from time to time, in the database. */
import { and, desc, eq, lt, lte, sql } from "drizzle-orm";
import type { Database, Queries } from "../db/client.ts";
import { sinkLedgers } from "../db/schema.ts";

/** A row of `sink_ledgers`. */
export type LedgerRow = typeof sinkLedgers.$inferSelect;

/** What is counted. */
export const LEDGER_COUNTS = [
  "pushed",
  "delivered",
  "filtered",
  "held",
  "discarded",
  "expired",
  "pending",
] as const;

/** Keeps entries of sinks that still exist; those of the same moment are left as they are. */
export async function insertLedgers(database: Database, rows: readonly LedgerRow[]): Promise<void> {
  await database.acrossProjects(async (queries) => {
    const uids = rows.map(({ sinkUid }) => sinkUid);
    const found = await queries.execute<{ uid: string }>(
      sql`SELECT uid FROM tributary.sinks WHERE uid IN ${uids} FOR KEY SHARE`,
    );
    const known = new Set(found.map(({ uid }) => uid));
    const kept = rows.filter(({ sinkUid }) => known.has(sinkUid));
    if (kept.length > 0) await queries.insert(sinkLedgers).values(kept).onConflictDoNothing();
  });
}

/** The newest entry of a sink at a time or before. */
export async function findLedger(
  queries: Queries,
  sinkUid: string,
  time: Date,
): Promise<LedgerRow | undefined> {
  const isBefore = and(eq(sinkLedgers.sinkUid, sinkUid), lte(sinkLedgers.createTime, time));
  const newest = desc(sinkLedgers.createTime);
  return (await queries.select().from(sinkLedgers).where(isBefore).orderBy(newest).limit(1))[0];
}

/** Forgets entries before a time. */
export async function forgetLedgers(database: Database, before: Date): Promise<void> {
  await database.acrossProjects((queries) =>
    queries.delete(sinkLedgers).where(lt(sinkLedgers.createTime, before)),
  );
}
