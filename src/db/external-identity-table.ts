/** The table of external identities, as drizzle sees it; a part of schema.ts. */
import { index, primaryKey, text } from "drizzle-orm/pg-core";
import { time, tributary } from "./columns.ts";

/** Who people are to the providers of OpenID Connect that they signed in with. */
export const externalIdentities = tributary.table(
  "external_identities",
  {
    issuer: text().notNull(),
    subject: text().notNull(),
    personUid: text().notNull(),
    createTime: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.issuer, t.subject] }), index().on(t.personUid)],
);
