/** People, and the roles of everybody. */
import { sql } from "drizzle-orm";
import { boolean, index, smallint, text, unique } from "drizzle-orm/pg-core";
import { applications } from "./application-tables.ts";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";
import { streams } from "./stream-tables.ts";

/** People who may sign in. */
export const persons = tributary.table(
  "persons",
  {
    uid: text().primaryKey(),
    /** In lower case: one address is one person, however it is written. */
    email: text().notNull().unique(),
    displayName: text().notNull(),
    /** PHC string of Argon2id; null for people who sign in elsewhere only. */
    passwordHash: text(),
    isDisabled: boolean().notNull(),
    /** Changes without `version`, so it wakes nobody. */
    lastSignInTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.createTime, t.uid)],
);

/** Sessions of people in browsers. */
export const sessions = tributary.table(
  "sessions",
  {
    uid: text().primaryKey(),
    personUid: text()
      .notNull()
      .references(() => persons.uid, { onDelete: "cascade" }),
    /** SHA-256 of what the cookie holds. */
    sha256: bytea().notNull().unique(),
    /** Where it was begun from. */
    address: text().notNull(),
    userAgent: text().notNull(),
    createTime: time().notNull(),
    lastUsedTime: time().notNull(),
    expireTime: time().notNull(),
  },
  (t) => [index().on(t.personUid, t.createTime, t.uid), index().on(t.expireTime)],
);

/** Links for people who forgot their password, each good once. */
export const passwordResets = tributary.table(
  "password_resets",
  {
    /** SHA-256 of the token in the link. */
    sha256: bytea().primaryKey(),
    personUid: text()
      .notNull()
      .references(() => persons.uid, { onDelete: "cascade" }),
    expireTime: time().notNull(),
  },
  (t) => [index().on(t.personUid), index().on(t.expireTime)],
);

/** Invitations to projects that are neither accepted nor taken back. */
export const invitations = tributary.table(
  "invitations",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    /** In lower case. */
    email: text().notNull(),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    /** SHA-256 of the token in the link. */
    sha256: bytea().notNull().unique(),
    /** Who invited: the id of a principal. */
    creatorId: text().notNull(),
    createTime: time().notNull(),
    expireTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Roles of applications and people; one for each resource and principal. */
export const grants = tributary.table(
  "grants",
  {
    uid: text().primaryKey(),
    /** Null for a role on the whole installation. */
    projectUid: text().references(() => projects.uid, { onDelete: "cascade" }),
    /** Null unless the resource is a stream. */
    streamUid: text().references(() => streams.uid, { onDelete: "cascade" }),
    /** `projects/{p}`, `projects/{p}/streams/{s}`, or empty for the installation. */
    resource: text().notNull(),
    /** Client id of an application, or `person:<uid>`. */
    principalId: text().notNull(),
    /** Made from `principalId`; null for other kinds. */
    clientId: text()
      .generatedAlwaysAs(sql`CASE WHEN strpos(principal_id, ':') = 0 THEN principal_id END`)
      .references(() => applications.clientId, { onDelete: "cascade" }),
    /** Made from `principalId`; null for other kinds. */
    personUid: text()
      .generatedAlwaysAs(
        sql`CASE WHEN principal_id LIKE 'person:%' THEN substr(principal_id, 8) END`,
      )
      .references(() => persons.uid, { onDelete: "cascade" }),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
  },
  (t) => [
    unique().on(t.resource, t.principalId),
    index().on(t.principalId),
    index().on(t.clientId),
    index().on(t.personUid),
    index().on(t.projectUid),
    index().on(t.streamUid),
  ],
);
