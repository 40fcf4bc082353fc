/** Projects in the database. */
import { text } from "drizzle-orm/pg-core";
import { number, time, tributary } from "./columns.ts";

/** Projects. */
export const projects = tributary.table("projects", {
  uid: text().primaryKey(),
  name: text().notNull().unique(),
  displayName: text().notNull(),
  description: text().notNull(),
  version: number().notNull(),
  createTime: time().notNull(),
  updateTime: time().notNull(),
});
