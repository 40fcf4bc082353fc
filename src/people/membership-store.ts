/** The projects that a person is in. */
import { create } from "@bufbuild/protobuf";
import { desc, eq, max, sql } from "drizzle-orm";
import { type Membership, MembershipSchema } from "#gen/tributary/management/v1/account_pb.js";
import { projectOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { grants, projects } from "../db/schema.ts";

const MEMBERSHIPS_MAX = 1_000;

/** Projects in which somebody has a role, newest first; those beyond a credential's bound left out. */
export async function listMemberships(
  queries: Queries,
  { id, boundTo }: Pick<Principal, "id" | "boundTo">,
): Promise<Membership[]> {
  const rows = await queries
    .select({
      project: projects.name,
      displayName: projects.displayName,
      role: max(sql`CASE WHEN ${grants.streamUid} IS NULL THEN ${grants.role} ELSE 0 END`),
    })
    .from(grants)
    .innerJoin(projects, eq(projects.uid, grants.projectUid))
    .where(eq(grants.principalId, id))
    .groupBy(projects.uid)
    .orderBy(desc(projects.createTime), desc(projects.uid))
    .limit(MEMBERSHIPS_MAX);
  return rows
    .filter((row) => boundTo === undefined || projectOf(boundTo) === row.project)
    .map((row) => create(MembershipSchema, { ...row, role: Number(row.role) }));
}
