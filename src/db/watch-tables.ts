/** What is kept of deliveries for those who look after them. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";
import { sinks } from "./sink-tables.ts";
import { branches } from "./stream-tables.ts";

/** Tries to bring records to destinations. */
export const attempts = tributary.table(
  "attempts",
  {
    number: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    projectUid: text().notNull(),
    sinkUid: text()
      .notNull()
      .references(() => sinks.uid, { onDelete: "cascade" }),
    createTime: time().notNull(),
    /** Attempt.State. */
    state: smallint().notNull(),
    isFailure: boolean().notNull(),
    requestId: text().notNull(),
    partition: integer().notNull(),
    firstSequence: number().notNull(),
    lastSequence: number().notNull(),
    size: integer().notNull(),
    /** An encoded tributary.management.v1.Attempt without its name. */
    attempt: bytea().notNull(),
  },
  (t) => [
    index().on(t.sinkUid, t.isFailure, t.number),
    index().on(t.sinkUid, t.number),
    index().on(t.sinkUid, t.requestId),
    index().on(t.createTime),
  ],
);

/** How many attempts of a sink were not noted. */
export const attemptDrops = tributary.table("attempt_drops", {
  sinkUid: text()
    .primaryKey()
    .references(() => sinks.uid, { onDelete: "cascade" }),
  projectUid: text().notNull(),
  count: number().notNull(),
});

/** Whom a project tells what goes wrong with its sinks; a row is made when first changed. */
export const alertSettings = tributary.table("alert_settings", {
  projectUid: text()
    .primaryKey()
    .references(() => projects.uid, { onDelete: "cascade" }),
  recipients: text().array().notNull(),
  webhookUrl: text().notNull(),
  /** Secret of Standard Webhooks. */
  sealedSecret: bytea(),
  /** Alert.Kind; all when empty. */
  kinds: smallint().array().notNull(),
  lossWarningMs: number().notNull(),
  version: number().notNull(),
  updateTime: time().notNull(),
});

/** Episodes, with what came of telling them. */
export const alerts = tributary.table(
  "alerts",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    /** Null for an alert of a branch. */
    sinkUid: text().references(() => sinks.uid, { onDelete: "cascade" }),
    /** Null for an alert of a sink. */
    logUid: text().references(() => branches.uid, { onDelete: "cascade" }),
    /** Name of the sink, or of the branch. */
    sinkName: text().notNull(),
    /** Alert.Kind. */
    kind: smallint().notNull(),
    reason: text().notNull(),
    message: text().notNull(),
    createTime: time().notNull(),
    /** Null while it goes on. */
    endTime: time(),
    mailCount: integer().notNull(),
    mailError: text().notNull(),
    webhookAttempts: integer().notNull(),
    webhookError: text().notNull(),
    webhookTime: time(),
    /** When it is to be told (again); null when there is nothing left to tell. */
    dueTime: time(),
  },
  (t) => [
    uniqueIndex().on(t.sinkUid, t.kind).where(sql`${t.endTime} IS NULL`),
    index().on(t.sinkUid, t.kind, t.createTime),
    uniqueIndex().on(t.logUid, t.kind).where(sql`${t.endTime} IS NULL`),
    index().on(t.logUid, t.kind, t.createTime),
    index().on(t.projectUid, t.createTime, t.uid),
    index().on(t.dueTime).where(sql`${t.dueTime} IS NOT NULL`),
    index().on(t.createTime),
  ],
);

/** Records of logs that are gone although nobody removed them. */
export const logLosses = tributary.table(
  "log_losses",
  {
    logUid: text().notNull(),
    /** What they were noticed by. */
    witness: text().notNull(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    /** 0 when it is not known. */
    firstSequence: number().notNull(),
    lastSequence: number().notNull(),
    batches: number().notNull(),
    message: text().notNull(),
    createTime: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.logUid, t.witness] }),
    index().on(t.projectUid),
    index().on(t.createTime),
  ],
);

/** The ledger of sinks from time to time. */
export const sinkLedgers = tributary.table(
  "sink_ledgers",
  {
    sinkUid: text()
      .notNull()
      .references(() => sinks.uid, { onDelete: "cascade" }),
    createTime: time().notNull(),
    projectUid: text().notNull(),
    settledSequence: number().notNull(),
    pushed: number().notNull(),
    delivered: number().notNull(),
    filtered: number().notNull(),
    held: number().notNull(),
    discarded: number().notNull(),
    expired: number().notNull(),
    pending: number().notNull(),
  },
  (t) => [primaryKey({ columns: [t.sinkUid, t.createTime] }), index().on(t.createTime)],
);
