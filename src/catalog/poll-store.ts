/** The state of polled sources in the database. Leases are compared with the clock of Postgres. */
import { and, eq, isNull, lt, lte, or, sql } from "drizzle-orm";
import type { Queries } from "../db/client.ts";
import { sourcePolls } from "../db/schema.ts";
import type { SourceRow } from "./source-store.ts";

/** A row of `source_polls`. */
export type PollRow = typeof sourcePolls.$inferSelect;

/** Longer than any attempt may take. */
const LEASE_SECONDS = 60;

/** Says when a source is asked next; what asked before is kept. */
export async function schedulePoll(
  queries: Queries,
  { uid, projectUid }: Pick<SourceRow, "uid" | "projectUid">,
  nextTime: Date,
): Promise<void> {
  await queries
    .insert(sourcePolls)
    .values({ sourceUid: uid, projectUid, nextTime })
    .onConflictDoUpdate({
      target: sourcePolls.sourceUid,
      set: { nextTime, etag: "", lastModified: "" },
    });
}

/** Takes the source that has waited longest for its turn; undefined when none is due. */
export async function claimPoll(queries: Queries, holder: string): Promise<PollRow | undefined> {
  const isFree = or(isNull(sourcePolls.leaseEndTime), lt(sourcePolls.leaseEndTime, sql`now()`));
  const [found] = await queries
    .select({ uid: sourcePolls.sourceUid })
    .from(sourcePolls)
    .where(and(lte(sourcePolls.nextTime, sql`now()`), isFree))
    .orderBy(sourcePolls.nextTime)
    .limit(1)
    .for("update", { skipLocked: true });
  if (!found) return undefined;
  const leaseEndTime = sql`now() + make_interval(secs => ${LEASE_SECONDS})`;
  const [row] = await queries
    .update(sourcePolls)
    .set({ leaseHolder: holder, leaseEndTime })
    .where(eq(sourcePolls.sourceUid, found.uid))
    .returning();
  return row;
}

/** Notes what an attempt came to, and gives the source back; nothing when another node has it. */
export async function savePoll(
  queries: Queries,
  { sourceUid, ...values }: Partial<PollRow> & Pick<PollRow, "sourceUid">,
  holder: string,
): Promise<void> {
  await queries
    .update(sourcePolls)
    .set({ ...values, leaseHolder: null, leaseEndTime: null })
    .where(and(eq(sourcePolls.sourceUid, sourceUid), eq(sourcePolls.leaseHolder, holder)));
}
