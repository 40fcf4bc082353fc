import { smallint, text } from "drizzle-orm/pg-core";
import { number, time, tributary } from "./columns.ts";

/** How a project proves that the hosts of its webhooks are its own; a row is made when first needed. */
export const ownershipSettings = tributary.table("ownership_settings", {
  projectUid: text().primaryKey(),
  /** OwnershipSettings.Requirement. */
  requirement: smallint().notNull(),
  hostPrefix: text().notNull(),
  valuePrefix: text().notNull(),
  verificationKey: text().notNull(),
  /** Newest first. */
  olderKeys: text().array().notNull(),
  version: number().notNull(),
  createTime: time().notNull(),
  updateTime: time().notNull(),
  rotateTime: time().notNull(),
});
