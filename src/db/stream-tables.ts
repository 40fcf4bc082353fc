/** Streams, their branches and what could become of their schemas. */
import { boolean, index, integer, primaryKey, smallint, text, unique } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** Streams as they are now. */
export const streams = tributary.table(
  "streams",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    displayName: text().notNull(),
    description: text().notNull(),
    /** An encoded tributary.management.v1.Schema. */
    schema: bytea().notNull(),
    schemaVersion: number().notNull(),
    keyFields: text().array().notNull(),
    /** Stream.Throughput. */
    throughput: smallint().notNull(),
    partitions: integer().notNull(),
    generation: number().notNull(),
    retentionAgeMs: number().notNull(),
    retentionBytes: number().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
    /** When the current generation was about to be sealed; null once the next one is published. */
    sealingTime: time(),
    /** Stream.SchemaMode. */
    schemaMode: smallint().notNull(),
    notifyEmails: text().array().notNull(),
    /** An encoded tributary.management.v1.Archive without its secret; once set, it stays. */
    archive: bytea(),
    /** Whether the archive takes records. */
    isArchived: boolean().notNull().default(false),
    sealedArchiveSecret: bytea(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Records of refused calls, saved every second. */
export const streamRefusals = tributary.table(
  "stream_refusals",
  {
    streamUid: text()
      .primaryKey()
      .references(() => streams.uid, { onDelete: "cascade" }),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    records: number().notNull(),
    calls: number().notNull(),
    lastTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid)],
);

/** What a stream was before its definition changed; the newest is in `streams` alone. */
export const streamVersions = tributary.table(
  "stream_versions",
  {
    projectUid: text().notNull(),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    schemaVersion: number().notNull(),
    generation: number().notNull(),
    schema: bytea().notNull(),
    keyFields: text().array().notNull(),
    partitions: integer().notNull(),
    endTime: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.streamUid, t.schemaVersion, t.generation] })],
);

/** Branches; the uid is that of the log. */
export const branches = tributary.table(
  "branches",
  {
    uid: text().primaryKey(),
    projectUid: text().notNull(),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    branchId: text().notNull(),
    shard: integer().notNull(),
    createTime: time().notNull(),
    /** Branch.State. */
    state: smallint().notNull().default(1),
    /** Id of the branch whose records it began with; empty for none. */
    copyOf: text().notNull().default(""),
    /** Name of the task that copies them; empty for none. */
    taskName: text().notNull().default(""),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.shard)],
);

/** New shapes of records on streams that take what their schema does not know. */
export const schemaProposals = tributary.table(
  "schema_proposals",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    /** Of what differs from the schema of that time: the same difference is told once. */
    shapeHash: text().notNull(),
    schemaVersion: number().notNull(),
    /** The record that showed it, as JSON text. */
    sample: bytea().notNull(),
    /** SchemaProposal.State. */
    state: smallint().notNull(),
    createTime: time().notNull(),
    decideTime: time(),
  },
  (t) => [unique().on(t.streamUid, t.shapeHash), index().on(t.streamUid, t.createTime, t.uid)],
);

/** Logs whose stream or branch is gone, until their records are gone as well. */
export const purges = tributary.table("purges", {
  logUid: text().primaryKey(),
  shard: integer().notNull(),
  createTime: time().notNull(),
});

export * from "./usage-schema.ts";
