/** Reads who may call, as the data plane wants them: all of them, or those of some uids. */

import { and, desc, gt, isNull, or } from "drizzle-orm";
import type {
  ApplicationDefinition,
  GrantDefinition,
  PersonDefinition,
  TokenDefinition,
} from "../core/definitions.ts";
import { PERSON_PREFIX } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { applicationSecrets, applications, grants, persons, tokens } from "../db/schema.ts";
import { among, type Uids } from "./definition-store.ts";
import { kindOfToken } from "./token-store.ts";

/** Applications with the secrets that are valid at `now`, newest first. */
export async function readApplications(
  queries: Queries,
  uids: Uids,
  now: Date,
): Promise<ApplicationDefinition[]> {
  const rows = await queries.select().from(applications).where(among(applications.uid, uids));
  const isValid = or(isNull(applicationSecrets.endTime), gt(applicationSecrets.endTime, now));
  const secretRows = await queries
    .select()
    .from(applicationSecrets)
    .where(and(among(applicationSecrets.applicationUid, uids), isValid))
    .orderBy(desc(applicationSecrets.createTime));
  const secrets = Map.groupBy(secretRows, (row) => row.applicationUid);
  return rows.map((row) => ({
    uid: row.uid,
    name: row.name,
    projectUid: row.projectUid,
    clientId: row.clientId,
    isDisabled: row.isDisabled,
    isClientCredentialsEnabled: row.isClientCredentialsEnabled,
    operations: row.operations,
    secrets: (secrets.get(row.uid) ?? []).map((secret) => ({
      sha256: secret.sha256,
      ...(secret.endTime && { endTimeMs: secret.endTime.getTime() }),
    })),
    publicKeys: row.publicKeys,
    isSecretRefused: row.isSecretRefused,
    isDpopRequired: row.isDpopRequired,
  }));
}

/** People, as authentication sees them. */
export async function readPersons(queries: Queries, uids: Uids): Promise<PersonDefinition[]> {
  const { uid, isDisabled } = persons;
  const rows = await queries.select({ uid, isDisabled }).from(persons).where(among(uid, uids));
  return rows.map((row) => ({ ...row, id: `${PERSON_PREFIX}${row.uid}` }));
}

/** Personal and service tokens, with a secret that was refreshed while it works on. */
export async function readTokens(queries: Queries, uids: Uids): Promise<TokenDefinition[]> {
  const rows = await queries.select().from(tokens).where(among(tokens.uid, uids));
  return rows.map((row) => ({
    uid: row.uid,
    projectUid: row.projectUid,
    kind: kindOfToken(row),
    makerId: row.makerId,
    resource: row.resource,
    resourceUid: row.resourceUid,
    role: row.role,
    operations: row.operations,
    isDisabled: row.isDisabled,
    ...(row.endTime && { endTimeMs: row.endTime.getTime() }),
    secrets: [
      { sha256: row.sha256 },
      ...(row.oldSha256 && row.oldEndTime
        ? [{ sha256: row.oldSha256, endTimeMs: row.oldEndTime.getTime() }]
        : []),
    ],
  }));
}

/** Grants, the ones on the installation included. */
export async function readGrants(queries: Queries, uids: Uids): Promise<GrantDefinition[]> {
  return await queries
    .select({
      uid: grants.uid,
      resource: grants.resource,
      principalId: grants.principalId,
      role: grants.role,
    })
    .from(grants)
    .where(among(grants.uid, uids));
}
