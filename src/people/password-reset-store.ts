/** Links for forgotten passwords in the database. */
import { and, eq, gt, lt } from "drizzle-orm";
import type { Queries } from "../db/client.ts";
import { passwordResets } from "../db/schema.ts";

/** A row of `password_resets`. */
export type ResetRow = typeof passwordResets.$inferSelect;

/** Inserts, and deletes those of everybody that have ended. */
export async function insertReset(queries: Queries, row: ResetRow, now: Date): Promise<void> {
  await queries.delete(passwordResets).where(lt(passwordResets.expireTime, now));
  await queries.insert(passwordResets).values(row);
}

/** Uid of the person whose link this is; undefined when it ended. */
export async function findResetPerson(
  queries: Queries,
  sha256: Uint8Array,
  now: Date,
): Promise<string | undefined> {
  const isLive = and(eq(passwordResets.sha256, sha256), gt(passwordResets.expireTime, now));
  const [row] = await queries.select().from(passwordResets).where(isLive);
  return row?.personUid;
}

/** Uses a link up, with all others of its person; of several takers only one gets the person's uid. */
export async function deleteReset(
  queries: Queries,
  sha256: Uint8Array,
  now: Date,
): Promise<string | undefined> {
  const isLive = and(eq(passwordResets.sha256, sha256), gt(passwordResets.expireTime, now));
  const [row] = await queries.delete(passwordResets).where(isLive).returning();
  if (!row) return undefined;
  await queries.delete(passwordResets).where(eq(passwordResets.personUid, row.personUid));
  return row.personUid;
}
