/** ApplicationService. */
import { create as createMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Application,
  Application_Type,
  ApplicationSchema,
} from "#gen/tributary/management/v1/application_pb.js";
import type {
  ApplicationService,
  CreateApplicationRequest,
  DeleteApplicationRequest,
  ListApplicationsRequest,
  RotateApplicationSecretRequest,
  UpdateApplicationRequest,
} from "#gen/tributary/management/v1/application_service_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { formatName, parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { checkApplication, checkNotWider } from "./application-check.ts";
import {
  type ApplicationRow,
  applicationFromRow,
  deleteApplication,
  deleteEndedSecrets,
  endSecret,
  findApplication,
  insertApplication,
  insertSecret,
  listApplications,
  listSecrets,
  lockApplication,
  ownedProjects,
  type SecretRow,
  updateApplication,
} from "./application-store.ts";
import { type Catalog, callerOf, checkEtag, checkName, chooseId, insertNamed } from "./catalog.ts";
import { type ClientSecret, makeClientSecret } from "./client-secret.ts";
import { checkCreation } from "./creation-quota.ts";
import { checkOwners, lockOwners } from "./grant-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";

/** What an application may do when its maker names nothing. */
const defaultOperations = ["api:use-streams-read", "api:use-streams-write"];
/** Longest overlap of two secrets. */
const OVERLAP_MAX_MS = 7 * 24 * 60 * 60_000;

/** The rpcs of ApplicationService. */
export function createApplicationService(catalog: Catalog): ServiceImpl<typeof ApplicationService> {
  return {
    createApplication: (request, context) => {
      const { operations = [] } = request.application ?? {};
      checkNotWider(callerOf(context), operations.length > 0 ? operations : defaultOperations);
      return createApplication(catalog, request);
    },
    async getApplication({ name }) {
      const application = await catalog.database.inProject(name, async (queries) => {
        const row = await findApplication(queries, name);
        if (!row) throw notFound(name);
        return applicationFromRow(row, await listSecrets(queries, [row.uid], timeOf(catalog)));
      });
      return { application };
    },
    listApplications: (request) => list(catalog, request),
    updateApplication: async (request, context) => ({
      application: await update(catalog, request, callerOf(context)),
    }),
    async deleteApplication(request) {
      await remove(catalog, request);
      return {};
    },
    rotateApplicationSecret: (request) => rotateSecret(catalog, request),
  };
}

const timeOf = (catalog: Catalog) => new Date(catalog.now());

/** Makes an application with a secret, new unless one is given. */
export async function createApplication(
  catalog: Catalog,
  request: Pick<CreateApplicationRequest, "parent" | "applicationId"> & {
    readonly application?: MessageInitShape<typeof ApplicationSchema> | undefined;
  },
  given: { readonly clientId?: string; readonly secret?: ClientSecret } = {},
): Promise<{ application: Application; clientSecret: string }> {
  const application = createMessage(ApplicationSchema, request.application);
  checkApplication(application);
  const [project = ""] = parseName(checkName(request.parent, "project"), "project") ?? [];
  const id = chooseId("application_id", request.applicationId, application.displayName);
  const name = formatName("application", project, id);
  const secret = given.secret ?? makeClientSecret();
  const { operations } = application;
  const time = timeOf(catalog);
  const made = await insertNamed({ name, field: "application_id" }, () =>
    catalog.database.inProject(name, async (queries) => {
      const parent = await findProject(queries, request.parent);
      if (!parent) throw notFound(request.parent);
      await checkCreation(queries, { projectUid: parent.uid }, { applications: 1 });
      const row: ApplicationRow = {
        uid: catalog.makeUid(),
        projectUid: parent.uid,
        name,
        displayName: application.displayName || id,
        type: application.type || Application_Type.SERVER,
        clientId: given.clientId ?? catalog.makeUid(),
        isClientCredentialsEnabled: application.clientCredentialsEnabled,
        operations: operations.length > 0 ? operations : defaultOperations,
        isDisabled: application.disabled,
        publicKeys: application.publicKeys,
        isSecretRefused: application.secretRefused,
        isDpopRequired: application.dpopRequired,
        lastUsedTime: null,
        version: 1,
        createTime: time,
        updateTime: time,
      };
      await insertApplication(queries, row);
      const secretRow = secretRowOf(catalog, row, secret);
      await insertSecret(queries, secretRow);
      return applicationFromRow(row, [secretRow]);
    }),
  );
  await catalog.refresh();
  return { application: made, clientSecret: secret.secret };
}

function secretRowOf(catalog: Catalog, row: ApplicationRow, secret: ClientSecret): SecretRow {
  return {
    uid: catalog.makeUid(),
    projectUid: row.projectUid,
    applicationUid: row.uid,
    sha256: secret.sha256,
    hint: secret.hint,
    createTime: timeOf(catalog),
    endTime: null,
  };
}

async function list(catalog: Catalog, request: ListApplicationsRequest) {
  const page = readPageRequest(`applications of ${request.parent}`, request);
  const { rows, secrets } = await catalog.database.inProject(request.parent, async (queries) => {
    const parent = await findProject(queries, request.parent);
    if (!parent) throw notFound(request.parent);
    const found = await listApplications(queries, parent.uid, page);
    const uids = found.map((row) => row.uid);
    return { rows: found, secrets: await listSecrets(queries, uids, timeOf(catalog)) };
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  const byApplication = Map.groupBy(secrets, (secret) => secret.applicationUid);
  const applications = shown.map((row) =>
    applicationFromRow(row, byApplication.get(row.uid) ?? []),
  );
  return { applications, nextPageToken };
}

const writable = [
  ...["display_name", "client_credentials_enabled", "operations", "disabled"],
  ...["public_keys", "secret_refused", "dpop_required"],
];

async function update(
  catalog: Catalog,
  { application: changed, updateMask: mask }: UpdateApplicationRequest,
  caller: Principal,
): Promise<Application> {
  const name = changed?.name ?? "";
  const { database } = catalog;
  const inScope: typeof database.acrossProjects = changed?.disabled
    ? database.acrossProjects
    : (work) => database.inProject(name, work);
  const application = await inScope(async (queries) => {
    const row = await lockApplication(queries, name);
    if (!row || !changed) throw notFound(name);
    checkEtag(changed.etag, row);
    const secrets = await listSecrets(queries, [row.uid], timeOf(catalog));
    const current = applicationFromRow(row, secrets);
    const wanted = applyFieldMask(ApplicationSchema, { current, changed, mask, writable });
    checkNotWider(caller, wanted.operations, current.operations);
    checkApplication(wanted);
    const values = {
      displayName: wanted.displayName,
      isClientCredentialsEnabled: wanted.clientCredentialsEnabled,
      operations: wanted.operations,
      isDisabled: wanted.disabled,
      publicKeys: wanted.publicKeys,
      isSecretRefused: wanted.secretRefused,
      isDpopRequired: wanted.dpopRequired,
      version: row.version + 1,
      updateTime: timeOf(catalog),
    };
    const change = () => updateApplication(queries, row.uid, values);
    if (wanted.disabled && !row.isDisabled) await keepOwners(queries, row.clientId, change);
    else await change();
    return applicationFromRow({ ...row, ...values }, secrets);
  });
  await catalog.refresh();
  return application;
}

async function remove(catalog: Catalog, { name, etag }: DeleteApplicationRequest): Promise<void> {
  await catalog.database.acrossProjects(async (queries) => {
    const row = await lockApplication(queries, name);
    if (!row) throw notFound(name);
    checkEtag(etag, row);
    await keepOwners(queries, row.clientId, () => deleteApplication(queries, row.uid));
  });
  await catalog.refresh();
}

/**
 * Does what takes an application's roles from it. It may own other projects than its own, and they
 * must keep an owner. Fails with LAST_OWNER.
 */
async function keepOwners(
  queries: Queries,
  clientId: string,
  work: () => Promise<void>,
): Promise<void> {
  const owned = await ownedProjects(queries, clientId);
  for (const projectUid of owned) await lockOwners(queries, projectUid);
  await work();
  for (const projectUid of owned) await checkOwners(queries, projectUid);
}

/**
 * Makes a new secret; the newest so far works on for `overlap`, 0 when it is left out. At most two
 * live at once.
 */
export async function rotateSecret(
  catalog: Catalog,
  { name, overlap }: Pick<RotateApplicationSecretRequest, "name" | "overlap">,
) {
  const overlapMs = overlap ? durationMs(overlap) : 0;
  if (overlapMs < 0 || overlapMs > OVERLAP_MAX_MS) {
    throw failFields([{ field: "overlap", description: "must be 0 to 7 days" }]);
  }
  const secret = makeClientSecret();
  const application = await catalog.database.inProject(name, async (queries) => {
    const row = await lockApplication(queries, name);
    if (!row) throw notFound(name);
    const now = timeOf(catalog);
    const [newest, ...older] = await listSecrets(queries, [row.uid], now);
    for (const each of older) await endSecret(queries, each.uid, now);
    if (newest) {
      const endMs = Math.min(now.getTime() + overlapMs, newest.endTime?.getTime() ?? Infinity);
      await endSecret(queries, newest.uid, new Date(endMs));
    }
    await deleteEndedSecrets(queries, row.uid, now);
    // Secrets are told apart by time: the new one is the newest also within a millisecond.
    const createTime = new Date(Math.max(now.getTime(), (newest?.createTime.getTime() ?? 0) + 1));
    await insertSecret(queries, { ...secretRowOf(catalog, row, secret), createTime });
    const values = { version: row.version + 1, updateTime: now };
    await updateApplication(queries, row.uid, values);
    return applicationFromRow({ ...row, ...values }, await listSecrets(queries, [row.uid], now));
  });
  await catalog.refresh();
  return { application, clientSecret: secret.secret };
}
