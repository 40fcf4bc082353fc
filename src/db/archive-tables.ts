/** Archives of logs, and the manifest of their files. */
import { index, primaryKey, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";

/** The archive of a log; it outlives its stream until its files are gone. */
export const archives = tributary.table(
  "archives",
  {
    logUid: text().primaryKey(),
    projectUid: text().notNull(),
    streamUid: text().notNull(),
    /** What the names of its files begin with. */
    folder: text().notNull(),
    /** An encoded tributary.management.v1.Archive without its secret. */
    archive: bytea().notNull(),
    sealedArchiveSecret: bytea(),
    nextSequence: number().notNull(),
    plannedSequence: number(),
    plannedSchemaVersion: number(),
    cause: text().notNull().default(""),
    causeTime: time(),
  },
  (t) => [index().on(t.streamUid)],
);

/** Files that are in an archive; the rows of a log follow each other without overlap. */
export const archiveFiles = tributary.table(
  "archive_files",
  {
    logUid: text()
      .notNull()
      .references(() => archives.logUid, { onDelete: "cascade" }),
    projectUid: text().notNull(),
    fromSequence: number().notNull(),
    toSequence: number().notNull(),
    name: text().notNull(),
    records: number().notNull(),
    bytes: number().notNull(),
    sha256: bytea().notNull(),
    firstTime: time().notNull(),
    lastTime: time().notNull(),
    createTime: time().notNull(),
    expireTime: time(),
  },
  (t) => [primaryKey({ columns: [t.logUid, t.fromSequence] }), index().on(t.logUid, t.toSequence)],
);
