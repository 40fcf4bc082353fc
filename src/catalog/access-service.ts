/** AccessService. */
import type { ServiceImpl } from "@connectrpc/connect";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import type {
  AccessService,
  CreateGrantRequest,
  DeleteGrantRequest,
  ListGrantsRequest,
  LookupPrincipalRequest,
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
  listGrants,
  lockOwners,
  putGrant,
} from "./grant-store.ts";
import { listMembers } from "./members.ts";
import { cursorOf } from "./newest-first.ts";
import {
  candidateFrom,
  describePrincipals,
  findClient,
  findPersonAs,
  NOBODY,
} from "./principal-store.ts";
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
    lookupPrincipal: (request) => lookup(catalog, request),
    listMembers: (request) => listMembers(catalog, request),
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
  const { clientId = "", email = "", role = 0 } = grant ?? {};
  if ((clientId === "") === (email === "")) {
    const description = "give either client_id or email";
    throw failFields([{ field: clientId === "" ? "grant.client_id" : "grant.email", description }]);
  }
  if (role < 1 || role > 3) {
    throw failFields([{ field: "grant.role", description: "must be VIEWER, EDITOR or OWNER" }]);
  }
  // A project's scope shows its members only, and no role on the installation.
  const { person, isOperator } = await catalog.database.acrossProjects(async (queries) => ({
    person: email === "" ? undefined : await findPersonAs(queries, email),
    isOperator: (await findRole(queries, "", caller.id)) === AccessRule_Role.OPERATOR,
  }));
  const made = await catalog.database.inProject(parent, async (queries) => {
    const resource = await findResource(queries, parent);
    await lockOwners(queries, resource.projectUid);
    if (!isOperator) await checkGranter(queries, { caller, parent, role });
    const found = person ?? (await findClient(queries, resource.projectUid, clientId));
    if (!found) throw unknownPrincipal(clientId || email);
    const before = await findRole(queries, parent, found.principalId);
    const stored = await putGrant(queries, {
      ...resource,
      uid: catalog.makeUid(),
      resource: parent,
      principalId: found.principalId,
      role,
      version: 1,
      createTime: new Date(catalog.now()),
    });
    if (before === AccessRule_Role.OWNER) await checkOwners(queries, resource.projectUid);
    return grantFromRow(stored, found);
  });
  await catalog.refresh();
  return made;
}

/** Alike for an application of another project and for nobody at all. */
function unknownPrincipal(query: string) {
  const what = query.includes("@")
    ? "the person with the e-mail address"
    : "the application with client id";
  return notFound(`${what} ${query}`);
}

async function lookup({ database }: Catalog, { parent, query }: LookupPrincipalRequest) {
  const person = query.includes("@")
    ? await database.acrossProjects((queries) => findPersonAs(queries, query))
    : undefined;
  return await database.inProject(parent, async (queries) => {
    const { projectUid } = await findResource(queries, parent);
    const found = person ?? (await findClient(queries, projectUid, query));
    if (!found) throw unknownPrincipal(query);
    const role = await findRole(queries, parent, found.principalId);
    return { candidate: candidateFrom(found, role) };
  });
}

/** Nobody gives more than they have; what they have on the project counts as well. */
async function checkGranter(
  queries: Queries,
  { caller, parent, role }: { caller: Principal; parent: string; role: number },
): Promise<void> {
  if (caller.kind === "token" && caller.role >= role) return;
  for (const resource of new Set([parent, projectOf(parent) ?? parent])) {
    if ((await findRole(queries, resource, caller.id)) >= role) return;
  }
  throw fail("ROLE_MISSING", `you may not give a role above your own on ${parent}`, {
    metadata: { resource: parent },
  });
}

async function list({ database }: Catalog, request: ListGrantsRequest) {
  const page = readPageRequest(`grants on ${request.parent}`, request);
  return await database.inProject(request.parent, async (queries) => {
    await findResource(queries, request.parent);
    const found = await listGrants(queries, request.parent, page);
    const { rows: shown, nextPageToken } = makePage(page, found, cursorOf);
    const who = await describePrincipals(
      queries,
      shown.map((row) => row.principalId),
    );
    const grants = shown.map((row) => grantFromRow(row, who.get(row.principalId) ?? NOBODY));
    return { grants, nextPageToken };
  });
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
    if (row.role === AccessRule_Role.OWNER) await checkOwners(queries, resource.projectUid);
  });
  await catalog.refresh();
}
