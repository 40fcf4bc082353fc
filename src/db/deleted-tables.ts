/** Definitions that were deleted and can be brought back. */
import { index, integer, jsonb, primaryKey, text } from "drizzle-orm/pg-core";
import { bytea, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** What was deleted, for as long as it is kept. */
export const deletedDefinitions = tributary.table(
  "deleted_definitions",
  {
    /** Of the stream, source or sink. */
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull(),
    author: text().notNull(),
    createTime: time().notNull(),
    purgeTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid), index().on(t.purgeTime)],
);

/** Its rows, in the order in which they are put back. */
export const deletedRows = tributary.table(
  "deleted_rows",
  {
    definitionUid: text()
      .notNull()
      .references(() => deletedDefinitions.uid, { onDelete: "cascade" }),
    number: integer().notNull(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    tableName: text().notNull(),
    /** Without its sealed column. */
    content: jsonb().$type<Record<string, unknown>>().notNull(),
    sealed: bytea(),
  },
  (t) => [primaryKey({ columns: [t.definitionUid, t.number] })],
);
