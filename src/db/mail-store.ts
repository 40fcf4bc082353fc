/** The outbox of mails in the database. It is above projects: one task sends the mails of all. */
import { and, asc, desc, eq, isNotNull, lt, lte, ne, sql } from "drizzle-orm";
import type { Database } from "./client.ts";
import { mails } from "./schema.ts";

/** The outbox; its methods are those that `mail/mail.ts` asks for. */
export function createMailStore({ acrossProjects }: Pick<Database, "acrossProjects">) {
  const settle = (uid: string, values: Partial<typeof mails.$inferInsert>) =>
    acrossProjects(async (queries) => {
      await queries.update(mails).set(values).where(eq(mails.uid, uid));
    });
  return {
    add: (mail: NewRow, waitingMax: number): Promise<boolean> =>
      acrossProjects(async (queries) => {
        const waiting = await queries.$count(mails, isNotNull(mails.nextAttemptTime));
        if (waiting >= waitingMax) return false;
        const row = { ...mail, attempts: 0, nextAttemptTime: mail.createTime, lastError: "" };
        await queries.insert(mails).values(row).onConflictDoNothing({ target: mails.key });
        return true;
      }),
    take: (now: Date, leaseEnd: Date): Promise<TakenRow | undefined> =>
      acrossProjects(async (queries) => {
        const due = queries
          .select({ uid: mails.uid })
          .from(mails)
          .where(lte(mails.nextAttemptTime, now))
          .orderBy(asc(mails.nextAttemptTime))
          .limit(1)
          .for("update", { skipLocked: true });
        const [row] = await queries
          .update(mails)
          .set({ attempts: sql`${mails.attempts} + 1`, nextAttemptTime: leaseEnd })
          .where(eq(mails.uid, sql`(${due})`))
          .returning();
        return row && { ...row, sealedText: row.sealedText ?? new Uint8Array() };
      }),
    sent: (uid: string, time: Date): Promise<void> =>
      settle(uid, { nextAttemptTime: null, sealedText: null, sentTime: time, lastError: "" }),
    failed: (uid: string, { error, nextTime }: Failure): Promise<void> =>
      nextTime
        ? settle(uid, { nextAttemptTime: nextTime, lastError: error })
        : settle(uid, { nextAttemptTime: null, sealedText: null, lastError: error }),
    /** How many wait, and why the newest that failed did. */
    look: (): Promise<{ readonly waiting: number; readonly lastError: string }> =>
      acrossProjects(async (queries) => {
        const waiting = await queries.$count(mails, isNotNull(mails.nextAttemptTime));
        const [failed] = await queries
          .select({ lastError: mails.lastError })
          .from(mails)
          .where(ne(mails.lastError, ""))
          .orderBy(desc(mails.createTime))
          .limit(1);
        return { waiting, lastError: failed?.lastError ?? "" };
      }),
    forget: (time: Date): Promise<void> =>
      acrossProjects(async (queries) => {
        await queries.delete(mails).where(and(lt(mails.createTime, time)));
      }),
  };
}

interface NewRow {
  readonly uid: string;
  readonly projectUid: string | undefined;
  readonly key: string | undefined;
  readonly recipient: string;
  readonly subject: string;
  readonly sealedText: Uint8Array;
  readonly createTime: Date;
}

type TakenRow = typeof mails.$inferSelect & { readonly sealedText: Uint8Array };

interface Failure {
  readonly error: string;
  readonly nextTime?: Date;
}
