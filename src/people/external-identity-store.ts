/** Who people are to external providers, in the database. */
import { and, eq, getTableColumns, gt } from "drizzle-orm";
import type { ExternalIdentity } from "../auth/oidc-provider.ts";
import type { Queries } from "../db/client.ts";
import { externalIdentities, invitations, persons } from "../db/schema.ts";
import type { PersonRow } from "./person-store.ts";

/** The person that an issuer's subject is. */
export async function findPersonByIdentity(
  queries: Queries,
  { issuer, subject }: Pick<ExternalIdentity, "issuer" | "subject">,
): Promise<PersonRow | undefined> {
  const [row] = await queries
    .select(getTableColumns(persons))
    .from(externalIdentities)
    .innerJoin(persons, eq(persons.uid, externalIdentities.personUid))
    .where(and(eq(externalIdentities.issuer, issuer), eq(externalIdentities.subject, subject)));
  return row;
}

/** Notes that a subject is this person; of several that do so at once the first counts. */
export async function linkIdentity(
  queries: Queries,
  { issuer, subject }: Pick<ExternalIdentity, "issuer" | "subject">,
  { personUid, createTime }: { readonly personUid: string; readonly createTime: Date },
): Promise<void> {
  await queries
    .insert(externalIdentities)
    .values({ issuer, subject, personUid, createTime })
    .onConflictDoNothing();
}

/** Whether somebody has invited this address and the invitation is open. */
export async function isInvited(queries: Queries, email: string, now: Date): Promise<boolean> {
  const [row] = await queries
    .select({ uid: invitations.uid })
    .from(invitations)
    .where(and(eq(invitations.email, email), gt(invitations.expireTime, now)))
    .limit(1);
  return row !== undefined;
}
