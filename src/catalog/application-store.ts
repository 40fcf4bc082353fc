/** Applications and their secrets in the database. */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, desc, eq, gt, inArray, isNull, lte, or } from "drizzle-orm";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import {
  type Application,
  ApplicationSchema,
} from "#gen/tributary/management/v1/application_pb.js";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { applicationSecrets, applications, grants } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `applications`. */
export type ApplicationRow = typeof applications.$inferSelect;
/** A row of `application_secrets`. */
export type SecretRow = typeof applicationSecrets.$inferSelect;

/** The application as callers see it, with the hints of its valid secrets. */
export function applicationFromRow(
  row: ApplicationRow,
  secrets: readonly SecretRow[],
): Application {
  return create(ApplicationSchema, {
    name: row.name,
    displayName: row.displayName,
    type: row.type,
    clientId: row.clientId,
    clientCredentialsEnabled: row.isClientCredentialsEnabled,
    operations: row.operations,
    disabled: row.isDisabled,
    secretHints: secrets.map((secret) => secret.hint),
    ...(row.lastUsedTime && { lastUsedTime: timestampFromDate(row.lastUsedTime) }),
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
    publicKeys: row.publicKeys as JsonObject[],
    secretRefused: row.isSecretRefused,
    dpopRequired: row.isDpopRequired,
  });
}

/** Inserts; a taken name or client id is a unique violation. */
export async function insertApplication(queries: Queries, row: ApplicationRow): Promise<void> {
  await queries.insert(applications).values(row);
}

/** The application of this name. */
export async function findApplication(
  queries: Queries,
  name: string,
): Promise<ApplicationRow | undefined> {
  return (await queries.select().from(applications).where(eq(applications.name, name)))[0];
}

/** The application, locked until the transaction ends. */
export async function lockApplication(
  queries: Queries,
  name: string,
): Promise<ApplicationRow | undefined> {
  const found = queries.select().from(applications).where(eq(applications.name, name));
  return (await found.for("update"))[0];
}

/** A page of the applications of a project, newest first, with one row more than it holds. */
export async function listApplications(
  queries: Queries,
  projectUid: string,
  page: PageRequest,
): Promise<ApplicationRow[]> {
  const condition = eq(applications.projectUid, projectUid);
  const { where, orderBy, limit } = newestFirst(applications, page, condition);
  return await queries
    .select()
    .from(applications)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Changes a row; `version` must grow for the data plane to see it. */
export async function updateApplication(
  queries: Queries,
  uid: string,
  values: Partial<ApplicationRow>,
): Promise<void> {
  await queries.update(applications).set(values).where(eq(applications.uid, uid));
}

/** Deletes an application with its secrets and grants. */
export async function deleteApplication(queries: Queries, uid: string): Promise<void> {
  await queries.delete(applications).where(eq(applications.uid, uid));
}

/** Notes that a token was issued. Wakes nobody: no snapshot holds this time. */
export async function noteApplicationUse(
  queries: Queries,
  clientId: string,
  time: Date,
): Promise<void> {
  await queries
    .update(applications)
    .set({ lastUsedTime: time })
    .where(eq(applications.clientId, clientId));
}

/** Secrets of some applications that are valid at a time, newest first. */
export async function listSecrets(
  queries: Queries,
  applicationUids: readonly string[],
  now: Date,
): Promise<SecretRow[]> {
  if (applicationUids.length === 0) return [];
  const isValid = or(isNull(applicationSecrets.endTime), gt(applicationSecrets.endTime, now));
  return await queries
    .select()
    .from(applicationSecrets)
    .where(and(inArray(applicationSecrets.applicationUid, [...applicationUids]), isValid))
    .orderBy(desc(applicationSecrets.createTime), desc(applicationSecrets.uid));
}

/** Adds a secret. */
export async function insertSecret(queries: Queries, row: SecretRow): Promise<void> {
  await queries.insert(applicationSecrets).values(row);
}

/** Lets a secret end at a time. */
export async function endSecret(queries: Queries, uid: string, endTime: Date): Promise<void> {
  await queries.update(applicationSecrets).set({ endTime }).where(eq(applicationSecrets.uid, uid));
}

/** Deletes secrets of an application that ended by then. */
export async function deleteEndedSecrets(
  queries: Queries,
  applicationUid: string,
  now: Date,
): Promise<void> {
  const isEnded = lte(applicationSecrets.endTime, now);
  await queries
    .delete(applicationSecrets)
    .where(and(eq(applicationSecrets.applicationUid, applicationUid), isEnded));
}

/** Projects of which an application or person is OWNER, by uid. */
export async function ownedProjects(queries: Queries, principalId: string): Promise<string[]> {
  const rows = await queries
    .select({ projectUid: grants.projectUid })
    .from(grants)
    .where(
      and(
        eq(grants.principalId, principalId),
        eq(grants.role, AccessRule_Role.OWNER),
        isNull(grants.streamUid),
      ),
    );
  return rows.flatMap((row) => row.projectUid ?? []).sort();
}
