/** Sources with their credentials and counts. */
import { index, integer, jsonb, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";
import { streams } from "./stream-tables.ts";

/** Sources: addresses that feed streams. */
export const sources = tributary.table(
  "sources",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    publicId: text().notNull().unique(),
    /** An encoded tributary.management.v1.Source without secrets. */
    definition: bytea().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.projectUid)],
);

/** Credentials of sources: as SHA-256, or sealed where the secret itself is needed (signatures). */
export const sourceKeys = tributary.table(
  "source_keys",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    sourceUid: text()
      .notNull()
      .references(() => sources.uid, { onDelete: "cascade" }),
    sha256: bytea(),
    sealed: bytea(),
    /** First characters, for people. */
    hint: text().notNull(),
    createTime: time().notNull(),
    /** When it stops working; null for never. */
    endTime: time(),
    /** Changes without waking anybody. */
    lastUsedTime: time(),
  },
  (t) => [index().on(t.sourceUid), index().on(t.projectUid)],
);

/** What sources took. */
export const sourceStats = tributary.table(
  "source_stats",
  {
    sourceUid: text()
      .primaryKey()
      .references(() => sources.uid, { onDelete: "cascade" }),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    requests: number().notNull(),
    records: number().notNull(),
    bytes: number().notNull(),
    unauthenticatedRecords: number().notNull(),
    unauthenticatedBytes: number().notNull(),
    quarantined: number().notNull(),
    refused: number().notNull(),
    firstTime: time(),
    lastTime: time(),
  },
  (t) => [index().on(t.projectUid)],
);

/** How the polling of sources goes; changes without the definition, so it wakes nobody. */
export const sourcePolls = tributary.table(
  "source_polls",
  {
    sourceUid: text()
      .primaryKey()
      .references(() => sources.uid, { onDelete: "cascade" }),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    cursor: text().notNull().default(""),
    /** Validators of the last answer to the very same request (RFC 9110 section 8.8). */
    etag: text().notNull().default(""),
    lastModified: text().notNull().default(""),
    /** Hashes of the newest record ids, oldest first. */
    seen: jsonb().$type<readonly string[]>().notNull().default([]),
    failures: integer().notNull().default(0),
    cause: text().notNull().default(""),
    lastAttemptTime: time(),
    lastSuccessTime: time(),
    nextTime: time().notNull(),
    leaseHolder: text(),
    leaseEndTime: time(),
  },
  (t) => [index().on(t.projectUid), index().on(t.nextTime)],
);
