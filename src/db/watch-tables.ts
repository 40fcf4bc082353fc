/** What is kept of deliveries for those who look after them. */
import { bigint, boolean, index, integer, smallint, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { sinks } from "./sink-tables.ts";

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
