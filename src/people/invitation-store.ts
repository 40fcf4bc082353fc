/** Invitations in the database. */
import { and, eq, gt, lt } from "drizzle-orm";
import { newestFirst } from "../catalog/newest-first.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { invitations, projects } from "../db/schema.ts";

/** A row of `invitations`. */
export type InvitationRow = typeof invitations.$inferSelect;

/** An invitation with the project that it is for. */
export interface ProjectInvitation {
  readonly invitation: InvitationRow;
  readonly project: typeof projects.$inferSelect;
}

/** Inserts an invitation, and deletes those of the project that have ended. */
export async function insertInvitation(queries: Queries, row: InvitationRow): Promise<void> {
  await queries
    .delete(invitations)
    .where(
      and(eq(invitations.projectUid, row.projectUid), lt(invitations.expireTime, row.createTime)),
    );
  await queries.insert(invitations).values(row);
}

/** The live invitation of this hash. */
export async function findInvitation(
  queries: Queries,
  sha256: Uint8Array,
  now: Date,
): Promise<ProjectInvitation | undefined> {
  const [row] = await queries
    .select({ invitation: invitations, project: projects })
    .from(invitations)
    .innerJoin(projects, eq(projects.uid, invitations.projectUid))
    .where(and(eq(invitations.sha256, sha256), gt(invitations.expireTime, now)));
  return row;
}

/** A page of the live invitations of a project. */
export async function listInvitations(
  queries: Queries,
  projectUid: string,
  { page, now }: { readonly page: PageRequest; readonly now: Date },
): Promise<InvitationRow[]> {
  const condition = and(eq(invitations.projectUid, projectUid), gt(invitations.expireTime, now));
  const { where, orderBy, limit } = newestFirst(invitations, page, condition);
  return await queries
    .select()
    .from(invitations)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Deletes one of a project; false when it is gone: of several takers only one hears true. */
export async function deleteInvitation(
  queries: Queries,
  projectUid: string,
  uid: string,
): Promise<boolean> {
  const rows = await queries
    .delete(invitations)
    .where(and(eq(invitations.uid, uid), eq(invitations.projectUid, projectUid)))
    .returning({ uid: invitations.uid });
  return rows.length > 0;
}
