/** The tables of usage, balance and quotas; see schema.ts. */
import {
  bigint,
  boolean,
  date,
  index,
  integer,
  jsonb,
  numeric,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
} from "drizzle-orm/pg-core";

const time = () => timestamp({ withTimezone: true, precision: 3, mode: "date" });
const number = () => bigint({ mode: "number" });
const tributary = pgSchema("tributary");

/** Which stream a log belongs, or belonged, to; written by a trigger, and kept. */
export const usageLogs = tributary.table("usage_logs", {
  logUid: text().primaryKey(),
  projectUid: text().notNull(),
  projectName: text().notNull(),
  streamUid: text().notNull(),
  streamName: text().notNull(),
});

/** What was accepted, by stream and day (UTC); `charge` in millionths of a credit. */
export const usageDays = tributary.table(
  "usage_days",
  {
    streamUid: text().notNull(),
    day: date({ mode: "string" }).notNull(),
    projectUid: text().notNull(),
    projectName: text().notNull(),
    streamName: text().notNull(),
    records: number().notNull(),
    bytes: number().notNull(),
    unauthenticatedRecords: number().notNull(),
    unauthenticatedBytes: number().notNull(),
    charge: numeric().notNull(),
    unauthenticatedCharge: numeric().notNull(),
    /** Bytes of files that were added to archives. */
    archivedBytes: number().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.streamUid, t.day] }), index().on(t.projectUid, t.day)],
);

/** Up to where each shard is counted. */
export const usageMarks = tributary.table(
  "usage_marks",
  { shard: integer().notNull(), identity: text().notNull(), sequence: number().notNull() },
  (t) => [primaryKey({ columns: [t.shard, t.identity] })],
);

/** Bytes that each project's logs hold on each shard. */
export const storedBytes = tributary.table(
  "stored_bytes",
  { shard: integer().notNull(), projectUid: text().notNull(), bytes: number().notNull() },
  (t) => [primaryKey({ columns: [t.shard, t.projectUid] })],
);

/** Bytes of the files that each project's archives hold; written by a trigger. */
export const archivedBytes = tributary.table("archived_bytes", {
  projectUid: text().primaryKey(),
  bytes: number().notNull(),
});

/** Credits and refunds: rows are only ever added, which a trigger enforces. */
export const ledgerEntries = tributary.table(
  "ledger_entries",
  {
    uid: text().primaryKey(),
    projectUid: text().notNull(),
    projectName: text().notNull(),
    /** LedgerEntry.Kind. */
    kind: smallint().notNull(),
    amountMicros: number().notNull(),
    streamUid: text(),
    streamName: text(),
    day: date({ mode: "string" }),
    records: number().notNull(),
    note: text().notNull(),
    principalId: text().notNull(),
    requestId: text(),
    createTime: time().notNull(),
  },
  (t) => [unique().on(t.projectUid, t.requestId), index().on(t.projectUid, t.createTime, t.uid)],
);

/** What the operator and the owner say of a project; no row when nothing was said. */
export const projectLimits = tributary.table("project_limits", {
  projectUid: text().primaryKey(),
  suspendTime: time(),
  suspendReason: text().notNull(),
  /** Values by name of the quota; a name that is missing has the installation's default. */
  quotas: jsonb().$type<Record<string, number>>().notNull(),
  stopWhenUsed: boolean().notNull(),
});
