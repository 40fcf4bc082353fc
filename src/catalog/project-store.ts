/** Projects in the database. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, eq, inArray, type SQL } from "drizzle-orm";
import { type Project, ProjectSchema } from "#gen/tributary/management/v1/project_pb.js";
import { projectOf } from "../core/names.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { grants, projects } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `projects`. */
export type ProjectRow = typeof projects.$inferSelect;

/** The project as callers see it. */
export function projectFromRow(row: ProjectRow): Project {
  return create(ProjectSchema, {
    name: row.name,
    displayName: row.displayName,
    description: row.description,
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
  });
}

/** Inserts; a taken name is a unique violation. */
export async function insertProject(queries: Queries, row: ProjectRow): Promise<void> {
  await queries.insert(projects).values(row);
}

/** The project of this name. */
export async function findProject(queries: Queries, name: string): Promise<ProjectRow | undefined> {
  return (await queries.select().from(projects).where(eq(projects.name, name)))[0];
}

/** The project, locked until the transaction ends. */
export async function lockProject(queries: Queries, name: string): Promise<ProjectRow | undefined> {
  return (await queries.select().from(projects).where(eq(projects.name, name)).for("update"))[0];
}

/**
 * A page of all projects without a viewer or for an operator, else of those on which (or on a stream of which) the caller
 * has a role; never of others than the one that its credential is bound to.
 */
export async function listProjects(
  queries: Queries,
  page: PageRequest,
  viewer?: { readonly caller: Principal; readonly isOperator: boolean },
): Promise<ProjectRow[]> {
  const condition = viewer && visibleTo(queries, viewer);
  const { where, orderBy, limit } = newestFirst(projects, page, condition);
  return await queries
    .select()
    .from(projects)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

function visibleTo(
  queries: Queries,
  { caller, isOperator }: { readonly caller: Principal; readonly isOperator: boolean },
): SQL | undefined {
  const { id, kind, boundTo } = caller;
  const granted = queries.select({ uid: grants.projectUid }).from(grants);
  const hasRole = inArray(projects.uid, granted.where(eq(grants.principalId, id)));
  return and(
    isOperator || kind === "token" ? undefined : hasRole,
    boundTo === undefined ? undefined : eq(projects.name, projectOf(boundTo) ?? ""),
  );
}

/** Changes a row; `version` must grow for the data plane to see it. */
export async function updateProject(
  queries: Queries,
  uid: string,
  values: Partial<ProjectRow>,
): Promise<void> {
  await queries.update(projects).set(values).where(eq(projects.uid, uid));
}

/** Deletes a project with all that belongs to it; its logs are to be noted for purging before. */
export async function deleteProject(queries: Queries, uid: string): Promise<void> {
  await queries.delete(projects).where(eq(projects.uid, uid));
}
