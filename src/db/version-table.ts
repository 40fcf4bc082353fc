/** Definitions that streams, sources and sinks had. */
import { index, jsonb, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** Every definition, written by triggers; rows outlive what they describe. */
export const definitionVersions = tributary.table(
  "definition_versions",
  {
    resourceUid: text().notNull(),
    number: number().notNull(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull(),
    /** DefinitionVersion.Action. */
    action: smallint().notNull(),
    /** A principal's id; empty for the server itself. */
    author: text().notNull(),
    createTime: time().notNull(),
    /** Without secrets; by kind. */
    definition: jsonb().$type<Record<string, unknown>>().notNull(),
    /** An encrypted Sink. */
    sealed: bytea(),
  },
  (t) => [
    primaryKey({ columns: [t.resourceUid, t.number] }),
    index().on(t.projectUid, t.name, t.createTime),
  ],
);
