/** What belongs to the installation as a whole. */
import {
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  primaryKey,
  smallint,
  text,
} from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** What changed, in the order of the commits: `seq` is drawn under a lock held to the commit. */
export const changes = tributary.table("changes", {
  seq: bigserial({ mode: "number" }).primaryKey(),
  /** Singular of the table. */
  kind: text().notNull(),
  uid: text().notNull(),
});

/** Facts of the installation. */
export const settings = tributary.table("settings", {
  name: text().primaryKey(),
  value: jsonb().notNull(),
});

/** Long changes that are made behind the calls that asked for them. */
export const tasks = tributary.table(
  "tasks",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    /** Task.Kind. */
    kind: smallint().notNull(),
    resource: text().notNull(),
    /** What it works on, by kind. */
    input: jsonb().$type<Record<string, unknown>>().notNull(),
    /** Where it goes on, by kind; null before the first step. */
    position: jsonb().$type<Record<string, unknown>>(),
    /** What it needs that is secret, by kind. */
    sealed: bytea(),
    /** Task.State. */
    state: smallint().notNull(),
    done: number().notNull(),
    total: number().notNull(),
    error: text().notNull(),
    /** Since it last came forward. */
    attempts: integer().notNull(),
    isCancelWanted: boolean().notNull(),
    /** Which worker has it, until `leaseEndTime`. */
    leaseHolder: text(),
    leaseEndTime: time(),
    /** When it is to be tried next. */
    dueTime: time().notNull(),
    createTime: time().notNull(),
    startTime: time(),
    endTime: time(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** What was done, by whom: see migrations/0106_audit.sql. A trigger sets number and hashes. */
export const auditEvents = tributary.table(
  "audit_events",
  {
    /** Uid of the project; empty for the installation. */
    chain: text().notNull(),
    number: number().notNull().default(0),
    uid: text().notNull().unique(),
    projectUid: text(),
    actorId: text().notNull(),
    method: text().notNull(),
    resource: text().notNull(),
    code: text().notNull(),
    createTime: time().notNull(),
    /** An encoded tributary.management.v1.AuditEvent. */
    event: bytea().notNull(),
    previousHash: bytea().notNull(),
    hash: bytea().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.chain, t.number] }),
    index().on(t.projectUid, t.createTime, t.uid),
    index().on(t.createTime, t.uid),
  ],
);

/** Calls that are about to change something: see migrations/0120_audit_intents.sql. */
export const auditIntents = tributary.table(
  "audit_intents",
  {
    uid: text().primaryKey(),
    createTime: time().notNull(),
    /** An encoded tributary.management.v1.AuditEvent. */
    event: bytea().notNull(),
  },
  (t) => [index().on(t.createTime)],
);

/** Master keys that a key management service has wrapped: see migrations/0020_managed_master_keys.sql. */
export const managedMasterKeys = tributary.table("managed_master_keys", {
  id: bytea().primaryKey(),
  /** Which key of which service opens it. */
  kmsKey: text().notNull(),
  wrapped: bytea().notNull(),
  createTime: time().notNull().defaultNow(),
});
