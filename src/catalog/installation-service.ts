/** InstallationService. */
import type { ServiceImpl } from "@connectrpc/connect";
import {
  InstallationSchema,
  type ProjectOverview,
  QuotasSchema,
  type QuotaUse,
} from "#gen/tributary/management/v1/installation_pb.js";
import type {
  InstallationService,
  ListAllProjectsRequest,
  UpdateInstallationRequest,
  UpdateProjectQuotasRequest,
} from "#gen/tributary/management/v1/installation_service_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { QUOTA_NAMES } from "../core/quotas.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, checkName } from "./catalog.ts";
import { createMailMethods, type MailDesk } from "./installation-mail.ts";
import {
  describeProjects,
  lockLimits,
  quotasFromRow,
  quotasToRow,
  readInstallation,
  updateLimits,
  writeInstallation,
} from "./installation-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject, listProjects } from "./project-store.ts";

/** The rpcs of InstallationService. */
export function createInstallationService(
  catalog: Catalog,
  mail: MailDesk,
): ServiceImpl<typeof InstallationService> {
  const { database, now } = catalog;
  return {
    ...createMailMethods(mail),
    getInstallation: () =>
      database.acrossProjects(async (queries) => ({
        installation: await readInstallation(queries),
      })),
    updateInstallation: async (request) => ({ installation: await update(catalog, request) }),
    listAllProjects: (request) => list(catalog, request),
    suspendProject: async ({ name, reason }) => ({
      project: await changeLimits(catalog, name, () => ({
        suspendTime: new Date(now()),
        suspendReason: reason,
      })),
    }),
    unsuspendProject: async ({ name }) => ({
      project: await changeLimits(catalog, name, () => ({ suspendTime: null, suspendReason: "" })),
    }),
    getProjectQuotas: ({ name }) =>
      database.inProject(name, async (queries) => ({
        quotas: (await describe(catalog, queries, name)).quotas,
      })),
    updateProjectQuotas: async (request) => ({ quotas: await updateQuotas(catalog, request) }),
  };
}

async function update(
  catalog: Catalog,
  { installation: changed, updateMask: mask }: UpdateInstallationRequest,
) {
  const installation = await catalog.database.acrossProjects(async (queries) => {
    const current = await readInstallation(queries);
    const writable = ["sign_up", "default_quotas", "prices"];
    const wanted = applyFieldMask(InstallationSchema, {
      current,
      changed: changed!,
      mask,
      writable,
    });
    if (wanted.signUp === 0) {
      const description = "is required: OPEN, BY_INVITATION or CLOSED";
      throw failFields([{ field: "installation.sign_up", description }]);
    }
    await writeInstallation(queries, wanted);
    return wanted;
  });
  await catalog.refresh();
  return installation;
}

async function list({ database, now }: Catalog, request: ListAllProjectsRequest) {
  const page = readPageRequest("all projects", request);
  return await database.acrossProjects(async (queries) => {
    const rows = await listProjects(queries, page, undefined);
    const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
    return { projects: await describeProjects(queries, shown, new Date(now())), nextPageToken };
  });
}

/** The project as the operator sees it. Fails with RESOURCE_NOT_FOUND. */
async function describe(
  { now }: Catalog,
  queries: Queries,
  name: string,
): Promise<ProjectOverview> {
  const row = await findProject(queries, checkName(name, "project"));
  if (!row) throw notFound(name);
  return (await describeProjects(queries, [row], new Date(now())))[0]!;
}

/** Changes what the operator says of a project, and tells this node at once. */
async function changeLimits(
  catalog: Catalog,
  name: string,
  change: (
    current: Awaited<ReturnType<typeof lockLimits>>,
  ) => Partial<Awaited<ReturnType<typeof lockLimits>>>,
): Promise<ProjectOverview> {
  const project = await catalog.database.inProject(name, async (queries) => {
    const row = await findProject(queries, checkName(name, "project"));
    if (!row) throw notFound(name);
    const current = await lockLimits(queries, row.uid);
    await updateLimits(queries, row.uid, change(current));
    return await describe(catalog, queries, name);
  });
  await catalog.refresh();
  return project;
}

async function updateQuotas(
  catalog: Catalog,
  { name, quotas: changed, updateMask: mask }: UpdateProjectQuotasRequest,
): Promise<QuotaUse[]> {
  const { quotas } = await changeLimits(catalog, name, (row) => {
    const current = quotasFromRow(row.quotas);
    const writable = QUOTA_NAMES;
    const wanted = applyFieldMask(QuotasSchema, { current, changed: changed!, mask, writable });
    return { quotas: quotasToRow(wanted) };
  });
  return quotas;
}
