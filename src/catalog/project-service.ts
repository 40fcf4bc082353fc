/** ProjectService. */
import type { ServiceImpl } from "@connectrpc/connect";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { type Project, ProjectSchema } from "#gen/tributary/management/v1/project_pb.js";
import type {
  CreateProjectRequest,
  DeleteProjectRequest,
  ListProjectsRequest,
  ProjectService,
  UpdateProjectRequest,
} from "#gen/tributary/management/v1/project_service_pb.js";
import { notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { formatName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import { type Catalog, callerOf, checkEtag, chooseId, insertNamed } from "./catalog.ts";
import { findRole } from "./grant-store.ts";
import { logsOfProject } from "./log-store.ts";
import { cursorOf } from "./newest-first.ts";
import { insertOwnedProject } from "./owned-project.ts";
import { createOwnershipMethods } from "./ownership-methods.ts";
import {
  deleteProject,
  findProject,
  listProjects,
  lockProject,
  projectFromRow,
  updateProject,
} from "./project-store.ts";

/** The rpcs of ProjectService. */
export function createProjectService(catalog: Catalog): ServiceImpl<typeof ProjectService> {
  const { database } = catalog;
  return {
    createProject: async (request, context) => ({
      project: await create(catalog, request, callerOf(context)),
    }),
    async getProject({ name }) {
      const row = await database.inProject(name, (queries) => findProject(queries, name));
      if (!row) throw notFound(name);
      return { project: projectFromRow(row) };
    },
    listProjects: (request, context) => list(catalog, request, callerOf(context)),
    updateProject: async (request) => ({ project: await update(catalog, request) }),
    async deleteProject(request) {
      await remove(catalog, request);
      return {};
    },
    ...createOwnershipMethods(catalog),
  };
}

async function create(
  catalog: Catalog,
  { projectId, project }: CreateProjectRequest,
  caller: Principal,
): Promise<Project> {
  const { displayName = "", description = "" } = project ?? {};
  const id = chooseId("project_id", projectId, displayName);
  const name = formatName("project", id);
  const given = { name, displayName: displayName || id, description };
  const row = await insertNamed({ name, field: "project_id" }, () =>
    catalog.database.inProject(name, (queries) =>
      insertOwnedProject(queries, catalog, { ...given, ownerId: caller.id }),
    ),
  );
  await catalog.refresh();
  return projectFromRow(row);
}

async function list({ database }: Catalog, request: ListProjectsRequest, caller: Principal) {
  const page = readPageRequest(`projects of ${caller.id}`, request);
  const rows = await database.acrossProjects(async (queries) => {
    const role = await findRole(queries, "", caller.id);
    const isOperator = role === AccessRule_Role.OPERATOR;
    return await listProjects(queries, page, { caller, isOperator });
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { projects: shown.map(projectFromRow), nextPageToken };
}

async function update(
  catalog: Catalog,
  { project: changed, updateMask: mask }: UpdateProjectRequest,
): Promise<Project> {
  const name = changed?.name ?? "";
  const project = await catalog.database.inProject(name, async (queries) => {
    const row = await lockProject(queries, name);
    if (!row || !changed) throw notFound(name);
    checkEtag(changed.etag, row);
    const writable = ["display_name", "description"];
    const current = projectFromRow(row);
    const wanted = applyFieldMask(ProjectSchema, { current, changed, mask, writable });
    const values = {
      displayName: wanted.displayName,
      description: wanted.description,
      version: row.version + 1,
      updateTime: new Date(catalog.now()),
    };
    await updateProject(queries, row.uid, values);
    return projectFromRow({ ...row, ...values });
  });
  await catalog.refresh();
  return project;
}

async function remove(catalog: Catalog, { name, etag }: DeleteProjectRequest): Promise<void> {
  const logs = await catalog.database.inProject(name, async (queries) => {
    const row = await lockProject(queries, name);
    if (!row) throw notFound(name);
    checkEtag(etag, row);
    const gone = await logsOfProject(queries, row.uid);
    await catalog.purger.note(queries, gone);
    await deleteProject(queries, row.uid);
    return gone;
  });
  await catalog.refresh();
  await catalog.purger.purge(logs);
}
