/** What the tables of the control plane are made of. */
import { bigint, customType, pgSchema, timestamp } from "drizzle-orm/pg-core";

/** All tables live in a Postgres schema of their own. */
export const tributary = pgSchema("tributary");

/** Bytes. */
export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
});

/** Milliseconds: what a JavaScript Date holds, so that times compare equal after a round trip. */
export const time = () => timestamp({ withTimezone: true, precision: 3, mode: "date" });

/** A whole number below 2^53. */
export const number = () => bigint({ mode: "number" });
