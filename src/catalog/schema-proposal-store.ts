/** Proposed schemas in the database. */
import { and, eq } from "drizzle-orm";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { SchemaProposal_State } from "#gen/tributary/management/v1/stream_pb.js";
import type { PageRequest } from "../core/page-token.ts";
import { PERSON_PREFIX } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { grants, persons, schemaProposals } from "../db/schema.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `schema_proposals`. */
export type ProposalRow = typeof schemaProposals.$inferSelect;

/** Keeps a proposal; false when this difference was noted before. */
export async function insertProposal(queries: Queries, row: ProposalRow): Promise<boolean> {
  const inserted = await queries
    .insert(schemaProposals)
    .values(row)
    .onConflictDoNothing()
    .returning({ uid: schemaProposals.uid });
  return inserted.length > 0;
}

/** A page of a stream's proposals. */
export async function listProposals(
  queries: Queries,
  streamUid: string,
  page: PageRequest,
): Promise<ProposalRow[]> {
  const condition = eq(schemaProposals.streamUid, streamUid);
  const { where, orderBy, limit } = newestFirst(schemaProposals, page, condition);
  return await queries
    .select()
    .from(schemaProposals)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** How many proposals of a stream wait. */
export async function countPending(queries: Queries, streamUid: string): Promise<number> {
  return await queries.$count(
    schemaProposals,
    and(
      eq(schemaProposals.streamUid, streamUid),
      eq(schemaProposals.state, SchemaProposal_State.PENDING),
    ),
  );
}

/** A proposal of a stream, locked until the transaction ends. */
export async function lockProposal(
  queries: Queries,
  streamUid: string,
  uid: string,
): Promise<ProposalRow | undefined> {
  const condition = and(eq(schemaProposals.streamUid, streamUid), eq(schemaProposals.uid, uid));
  return (await queries.select().from(schemaProposals).where(condition).for("update"))[0];
}

/** Notes what became of a proposal. */
export async function decideProposal(
  queries: Queries,
  uid: string,
  decision: Pick<ProposalRow, "state" | "decideTime">,
): Promise<void> {
  await queries.update(schemaProposals).set(decision).where(eq(schemaProposals.uid, uid));
}

/** Addresses of the people who own a project. */
export async function ownerEmails(queries: Queries, projectUid: string): Promise<string[]> {
  const rows = await queries
    .select({ principalId: grants.principalId, resource: grants.resource })
    .from(grants)
    .where(and(eq(grants.projectUid, projectUid), eq(grants.role, AccessRule_Role.OWNER)));
  const emails = new Set<string>();
  for (const { principalId, resource } of rows) {
    if (!principalId.startsWith(PERSON_PREFIX) || resource.includes("/streams/")) continue;
    const [person] = await queries
      .select({ email: persons.email, isDisabled: persons.isDisabled })
      .from(persons)
      .where(eq(persons.uid, principalId.slice(PERSON_PREFIX.length)));
    if (person && !person.isDisabled) emails.add(person.email);
  }
  return [...emails];
}
