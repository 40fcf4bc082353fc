/** The table of mails, as drizzle sees it; a part of schema.ts. */
import { index, integer, text } from "drizzle-orm/pg-core";
import { bytea, time, tributary } from "./columns.ts";

/** Mails that wait, and those of the last weeks without their text. */
export const mails = tributary.table(
  "mails",
  {
    uid: text().primaryKey(),
    /** Null when the mail is about no project; its rows go with the project. */
    projectUid: text(),
    /** Of several mails with one key only the first is sent; null for none. */
    key: text().unique(),
    recipient: text().notNull(),
    subject: text().notNull(),
    /** Encrypted, as it may hold a one-time link; null once the mail is settled. */
    sealedText: bytea(),
    attempts: integer().notNull(),
    /** Null once the mail was sent or given up. */
    nextAttemptTime: time(),
    sentTime: time(),
    /** Why the last attempt failed; empty for none. */
    lastError: text().notNull(),
    createTime: time().notNull(),
  },
  (t) => [index().on(t.createTime), index().on(t.projectUid)],
);
