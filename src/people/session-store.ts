/** Sessions in the database. */
import { and, desc, eq, gt, inArray, lt, ne } from "drizzle-orm";
import type { Queries } from "../db/client.ts";
import { persons, sessions } from "../db/schema.ts";

/** A row of `sessions`. */
export type SessionRow = typeof sessions.$inferSelect;

/** Inserts a session, and deletes all that have ended. */
export async function insertSession(queries: Queries, row: SessionRow): Promise<void> {
  await queries.delete(sessions).where(lt(sessions.expireTime, row.createTime));
  await queries.insert(sessions).values(row);
}

/** The live session of this hash, of a person who is not shut out. */
export async function findSession(
  queries: Queries,
  sha256: Uint8Array,
  now: Date,
): Promise<SessionRow | undefined> {
  const [row] = await queries
    .select({ session: sessions })
    .from(sessions)
    .innerJoin(persons, eq(persons.uid, sessions.personUid))
    .where(
      and(eq(sessions.sha256, sha256), gt(sessions.expireTime, now), eq(persons.isDisabled, false)),
    );
  return row?.session;
}

/** A person's sessions, newest first. */
export async function listSessions(queries: Queries, personUid: string): Promise<SessionRow[]> {
  return await queries
    .select()
    .from(sessions)
    .where(eq(sessions.personUid, personUid))
    .orderBy(desc(sessions.createTime), desc(sessions.uid));
}

/** Deletes sessions. */
export async function deleteSessions(queries: Queries, uids: readonly string[]): Promise<void> {
  if (uids.length > 0) await queries.delete(sessions).where(inArray(sessions.uid, [...uids]));
}

/** Notes when a session was last used; an older note does nothing. */
export async function noteSessionUse(queries: Queries, uid: string, time: Date): Promise<void> {
  await queries
    .update(sessions)
    .set({ lastUsedTime: time })
    .where(
      and(eq(sessions.uid, uid), ne(sessions.lastUsedTime, time), lt(sessions.lastUsedTime, time)),
    );
}
