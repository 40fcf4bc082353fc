/** Roles of applications and people in the database. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, eq, isNull, notExists, sql } from "drizzle-orm";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { type Grant, GrantSchema } from "#gen/tributary/management/v1/grant_pb.js";
import { fail } from "../core/errors.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { applications, grants, persons, projects } from "../db/schema.ts";
import { newestFirst } from "./newest-first.ts";
import type { PrincipalFields } from "./principal-store.ts";

/** A row of `grants`. */
export type GrantRow = typeof grants.$inferSelect;

/** What a row is made of. */
export type GrantValues = typeof grants.$inferInsert;

/** The grant as callers see it. */
export function grantFromRow(row: GrantRow, who: PrincipalFields): Grant {
  return create(GrantSchema, {
    name: `${row.resource}/grants/${row.uid}`,
    clientId: who.clientId,
    email: who.email,
    person: who.person,
    displayName: who.displayName,
    role: row.role,
    createTime: timestampFromDate(row.createTime),
  });
}

/** Gives a role, in place of the one that the principal had on the resource. */
export async function putGrant(queries: Queries, row: GrantValues): Promise<GrantRow> {
  const [stored] = await queries
    .insert(grants)
    .values(row)
    .onConflictDoUpdate({
      target: [grants.resource, grants.principalId],
      set: { role: row.role, version: sql`${grants.version} + 1` },
    })
    .returning();
  return stored!;
}

/** The role that an application or person has on exactly this resource; 0 for none. */
export async function findRole(
  queries: Queries,
  resource: string,
  principalId: string,
): Promise<number> {
  const [row] = await queries
    .select({ role: grants.role })
    .from(grants)
    .where(and(eq(grants.resource, resource), eq(grants.principalId, principalId)));
  return row?.role ?? 0;
}

/** The grant of this uid on exactly this resource. */
export async function findGrant(
  queries: Queries,
  resource: string,
  uid: string,
): Promise<GrantRow | undefined> {
  const condition = and(eq(grants.resource, resource), eq(grants.uid, uid));
  return (await queries.select().from(grants).where(condition))[0];
}

/** A page of the grants on exactly this resource. */
export async function listGrants(
  queries: Queries,
  resource: string,
  page: PageRequest,
): Promise<GrantRow[]> {
  const { where, orderBy, limit } = newestFirst(grants, page, eq(grants.resource, resource));
  return await queries
    .select()
    .from(grants)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Deletes a grant; call `checkOwners` after it. */
export async function deleteGrant(queries: Queries, uid: string): Promise<void> {
  await queries.delete(grants).where(eq(grants.uid, uid));
}

/** Holds up other changes of the project's owners until the transaction ends. */
export async function lockOwners(queries: Queries, projectUid: string): Promise<void> {
  await queries
    .select({ uid: projects.uid })
    .from(projects)
    .where(eq(projects.uid, projectUid))
    .for("no key update");
}

/**
 * Fails with LAST_OWNER when a project has no OWNER who may do anything, as disabled people and
 * applications may not: called within the transaction that took that role away, after `lockOwners`.
 */
export async function checkOwners(queries: Queries, projectUid: string): Promise<void> {
  const [owner] = await queries
    .select({ uid: grants.uid })
    .from(grants)
    .where(
      and(
        eq(grants.projectUid, projectUid),
        isNull(grants.streamUid),
        eq(grants.role, AccessRule_Role.OWNER),
        notExists(
          queries
            .select({ uid: persons.uid })
            .from(persons)
            .where(and(eq(persons.uid, grants.personUid), persons.isDisabled)),
        ),
        notExists(
          queries
            .select({ uid: applications.uid })
            .from(applications)
            .where(and(eq(applications.clientId, grants.clientId), applications.isDisabled)),
        ),
      ),
    )
    .limit(1);
  if (owner) return;
  throw fail(
    "LAST_OWNER",
    "the project would have no OWNER; give another application or person that role",
  );
}
