/** Tokens, and the keys that sign them. */
import { boolean, index, jsonb, smallint, text } from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";
import { projects } from "./project-table.ts";

/** Keys that sign access tokens. */
export const signingKeys = tributary.table("signing_keys", {
  kid: text().primaryKey(),
  /** JWS algorithm. */
  algorithm: text().notNull(),
  publicJwk: jsonb().$type<Record<string, unknown>>().notNull(),
  /** The private key, encrypted with the kid as additional data. */
  sealedPrivateKey: bytea().notNull(),
  createTime: time().notNull(),
  /** When tokens are first signed with it. */
  useTime: time().notNull(),
  /** When it leaves the key set; null while it has no successor. */
  endTime: time(),
});

/** Access tokens that were revoked before their end. */
export const revokedTokens = tributary.table(
  "revoked_tokens",
  {
    /** `jti`. */
    tokenId: text().primaryKey(),
    clientId: text().notNull(),
    createTime: time().notNull(),
    /** When the token would have ended anyway, and the row may go. */
    endTime: time().notNull(),
  },
  (t) => [index().on(t.endTime), index().on(t.createTime)],
);

/** Client assertions and DPoP proofs that were used. */
export const usedProofs = tributary.table(
  "used_proofs",
  {
    /** Of issuer and `jti`. */
    digest: text().primaryKey(),
    /** When the proof would have ended anyway, and the row may go. */
    endTime: time().notNull(),
  },
  (t) => [index().on(t.endTime)],
);

/** Personal and service tokens; the uid is the part by which they are looked up. */
export const tokens = tributary.table(
  "tokens",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    /** Token.Kind. */
    kind: smallint().notNull(),
    /** Id of the principal that made it. */
    makerId: text().notNull(),
    resource: text().notNull(),
    resourceUid: text().notNull(),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    operations: text().array().notNull(),
    description: text().notNull(),
    /** Name of a sink or source; empty for none. */
    usedBy: text().notNull(),
    sha256: bytea().notNull(),
    /** The secret before a refresh, until `oldEndTime`. */
    oldSha256: bytea(),
    oldEndTime: time(),
    isDisabled: boolean().notNull(),
    endTime: time(),
    /** Changes without `version`, so it wakes nobody. */
    lastUsedTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid), index().on(t.makerId)],
);
