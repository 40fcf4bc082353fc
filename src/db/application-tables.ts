/** OAuth2 clients. */
import { boolean, index, jsonb, smallint, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** OAuth2 clients. */
export const applications = tributary.table(
  "applications",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    displayName: text().notNull(),
    /** Application.Type. */
    type: smallint().notNull(),
    clientId: text().notNull().unique(),
    isClientCredentialsEnabled: boolean().notNull(),
    operations: text().array().notNull(),
    isDisabled: boolean().notNull(),
    /** Changes without `version`, so it wakes nobody. */
    lastUsedTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
    /** JWKs that check client assertions (RFC 7523). */
    publicKeys: jsonb().$type<Record<string, unknown>[]>().notNull().default([]),
    isSecretRefused: boolean().notNull().default(false),
    isDpopRequired: boolean().notNull().default(false),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Secrets of applications, as SHA-256. */
export const applicationSecrets = tributary.table(
  "application_secrets",
  {
    uid: text().primaryKey(),
    projectUid: text().notNull(),
    applicationUid: text()
      .notNull()
      .references(() => applications.uid, { onDelete: "cascade" }),
    sha256: bytea().notNull(),
    /** First characters, for people. */
    hint: text().notNull(),
    createTime: time().notNull(),
    /** When it stops working; null for never. */
    endTime: time(),
  },
  (t) => [index().on(t.applicationUid)],
);
