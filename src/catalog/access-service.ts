/** AccessService. */
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  AccessService,
  CreateGrantRequest,
  DeleteGrantRequest,
  ListGrantsRequest,
} from "#gen/tributary/management/v1/access_service_pb.js";
import type { Grant } from "#gen/tributary/management/v1/grant_pb.js";
import { fail, failFields, notFound } from "../core/errors.ts";
import { parseName, projectOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, callerOf } from "./catalog.ts";
import {
  checkOwners,
  deleteGrant,
  findGrant,
  findRole,
  grantFromRow,
  isClientOf,
  listGrants,
  lockOwners,
  putGrant,
} from "./grant-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";
import { findStream } from "./stream-store.ts";

/** The rpcs of AccessService. */
export function createAccessService(catalog: Catalog): ServiceImpl<typeof AccessService> {
  return {
    createGrant: async (request, context) => ({
      grant: await create(catalog, request, callerOf(context)),
    }),
    listGrants: (request) => list(catalog, request),
    async deleteGrant(request) {
      await remove(catalog, request);
      return {};
    },
  };
}

/** The uids of a project or stream; fails with RESOURCE_NOT_FOUND. */
async function findResource(queries: Queries, name: string) {
  if (parseName(name, "stream")) {
    const stream = await findStream(queries, name);
    if (stream) return { projectUid: stream.projectUid, streamUid: stream.uid };
  } else if (parseName(name, "project")) {
    const project = await findProject(queries, name);
    if (project) return { projectUid: project.uid, streamUid: null };
  }
  throw notFound(name);
}

async function create(
  catalog: Catalog,
  { parent, grant }: CreateGrantRequest,
  caller: Principal,
): Promise<Grant> {
  const { clientId = "", role = 0 } = grant ?? {};
  if (role < 1 || role > 3) {
    throw failFields([{ field: "grant.role", description: "must be VIEWER, EDITOR or OWNER" }]);
  }
  const row = await catalog.database.inProject(parent, async (queries) => {
    const resource = await findResource(queries, parent);
    await lockOwners(queries, resource.projectUid);
    await checkGranter(queries, { caller, parent, role });
    if (!(await isClientOf(queries, resource.projectUid, clientId))) {
      throw notFound(`the application with client id ${clientId}`);
    }
    const stored = await putGrant(queries, {
      ...resource,
      uid: catalog.makeUid(),
      resource: parent,
      principalId: clientId,
      role,
      version: 1,
      createTime: new Date(catalog.now()),
    });
    await checkOwners(queries, resource.projectUid);
    return stored;
  });
  await catalog.refresh();
  return grantFromRow(row);
}

/** Nobody gives more than they have; what they have on the project and installation counts as well. */
async function checkGranter(
  queries: Queries,
  { caller, parent, role }: { caller: Principal; parent: string; role: number },
): Promise<void> {
  for (const resource of new Set([parent, projectOf(parent) ?? parent, ""])) {
    if ((await findRole(queries, resource, caller.id)) >= role) return;
  }
  throw fail("ROLE_MISSING", `you may not give a role above your own on ${parent}`, {
    metadata: { resource: parent },
  });
}

async function list({ database }: Catalog, request: ListGrantsRequest) {
  const page = readPageRequest(`grants on ${request.parent}`, request);
  const rows = await database.inProject(request.parent, async (queries) => {
    await findResource(queries, request.parent);
    return await listGrants(queries, request.parent, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { grants: shown.map(grantFromRow), nextPageToken };
}

async function remove(catalog: Catalog, { name }: DeleteGrantRequest): Promise<void> {
  const [uid = ""] = (
    parseName(name, "projectGrant") ??
    parseName(name, "streamGrant") ??
    []
  ).slice(-1);
  const parent = name.slice(0, -`/grants/${uid}`.length);
  await catalog.database.inProject(parent, async (queries) => {
    const resource = await findResource(queries, parent);
    await lockOwners(queries, resource.projectUid);
    const row = await findGrant(queries, parent, uid);
    if (!row) throw notFound(name);
    await deleteGrant(queries, row.uid);
    await checkOwners(queries, resource.projectUid);
  });
  await catalog.refresh();
}
