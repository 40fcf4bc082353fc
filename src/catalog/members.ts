/** Who has roles in a project. */
import { create } from "@bufbuild/protobuf";
import { and, asc, eq, inArray, min, sql } from "drizzle-orm";
import type { ListMembersRequest } from "#gen/tributary/management/v1/access_service_pb.js";
import { type Member, MemberSchema } from "#gen/tributary/management/v1/grant_pb.js";
import { notFound } from "../core/errors.ts";
import { makePage, type PageRequest, readPageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { grants } from "../db/schema.ts";
import type { Catalog } from "./catalog.ts";
import { type GrantRow, grantFromRow } from "./grant-store.ts";
import { describePrincipals, NOBODY, type PrincipalFields } from "./principal-store.ts";
import { findProject } from "./project-store.ts";

/** Roles of one member that an answer holds; a project rarely has as many streams. */
const GRANTS_MAX = 100;

/** A page of the members, by when they got their first role in the project. */
export async function listMembers({ database }: Catalog, request: ListMembersRequest) {
  const page = readPageRequest(`members of ${request.parent}`, request);
  return await database.inProject(request.parent, async (queries) => {
    const project = await findProject(queries, request.parent);
    if (!project) throw notFound(request.parent);
    const rows = await firstGrants(queries, project.uid, page);
    const { rows: shown, nextPageToken } = makePage(page, rows, (row) => row);
    const ids = shown.map((row) => row.uid);
    const all = Map.groupBy(await grantsOf(queries, project.uid, ids), (row) => row.principalId);
    const who = await describePrincipals(queries, ids);
    const members = ids.map((id) => memberFrom(who.get(id) ?? NOBODY, all.get(id) ?? []));
    return { members, nextPageToken };
  });
}

/** Principals as `uid`, each with the time of its first grant in the project. */
async function firstGrants(queries: Queries, projectUid: string, { after, size }: PageRequest) {
  const first = min(grants.createTime);
  const beyond =
    after &&
    sql`(${first}, ${grants.principalId}) > (${new Date(after.timeMs).toISOString()}::timestamptz, ${after.uid})`;
  const rows = await queries
    .select({ uid: grants.principalId, first })
    .from(grants)
    .where(eq(grants.projectUid, projectUid))
    .groupBy(grants.principalId)
    .having(beyond)
    .orderBy(asc(first), asc(grants.principalId))
    .limit(size + 1);
  return rows.map((row) => ({ uid: row.uid, timeMs: row.first?.getTime() ?? 0 }));
}

async function grantsOf(
  queries: Queries,
  projectUid: string,
  principalIds: readonly string[],
): Promise<GrantRow[]> {
  if (principalIds.length === 0) return [];
  return await queries
    .select()
    .from(grants)
    .where(and(eq(grants.projectUid, projectUid), inArray(grants.principalId, [...principalIds])))
    .orderBy(sql`${grants.streamUid} IS NOT NULL`, asc(grants.resource));
}

function memberFrom(who: PrincipalFields, rows: readonly GrantRow[]): Member {
  const role = rows.find((row) => row.streamUid === null)?.role ?? 0;
  const shown = rows.slice(0, GRANTS_MAX).map((row) => grantFromRow(row, who));
  return create(MemberSchema, { ...who, role, grants: shown });
}
