/** Sinks with their saved versions. */
import { boolean, index, primaryKey, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";
import { branches, streams } from "./stream-tables.ts";

/** Sinks; what they are is in `sink_versions`. */
export const sinks = tributary.table(
  "sinks",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    branchUid: text()
      .notNull()
      .references(() => branches.uid),
    name: text().notNull().unique(),
    /** Case of the oneof in sink.proto. */
    kind: text().notNull(),
    isPaused: boolean().notNull(),
    restarts: number().notNull(),
    startSequence: number().notNull(),
    /** First sequence that it does not deliver, for it was handed over; 0 for none. */
    endSequence: number().notNull().default(0),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.branchUid)],
);

/** Every saved definition of a sink: an encrypted tributary.management.v1.Sink. */
export const sinkVersions = tributary.table(
  "sink_versions",
  {
    projectUid: text().notNull(),
    sinkUid: text()
      .notNull()
      .references(() => sinks.uid, { onDelete: "cascade" }),
    number: number().notNull(),
    fromSequence: number().notNull(),
    sealed: bytea().notNull(),
    createTime: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.sinkUid, t.number] })],
);
