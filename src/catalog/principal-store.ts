/** Whom roles belong to: applications and people, found and described. */
import { create } from "@bufbuild/protobuf";
import { and, eq, inArray } from "drizzle-orm";
import {
  type GrantCandidate,
  GrantCandidateSchema,
} from "#gen/tributary/management/v1/grant_pb.js";
import { PERSON_PREFIX } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { applications, persons } from "../db/schema.ts";

/** Who it is, in the fields that every message about grants has. */
export type PrincipalFields = Pick<GrantCandidate, "clientId" | "email" | "person" | "displayName">;

/** An application or person, with the id that grants name. */
export interface FoundPrincipal extends PrincipalFields {
  readonly principalId: string;
}

/** One form of an address, however it was typed. */
export function normalEmail(email: string): string {
  return email.trim().normalize("NFC").toLowerCase();
}

/** The application of the project with this client id. */
export async function findClient(
  queries: Queries,
  projectUid: string,
  clientId: string,
): Promise<FoundPrincipal | undefined> {
  const [row] = await queries
    .select()
    .from(applications)
    .where(and(eq(applications.clientId, clientId), eq(applications.projectUid, projectUid)));
  return row && { ...fieldsOfApplication(row), principalId: row.clientId };
}

/** The person with this e-mail address, however it is written. */
export async function findPersonAs(
  queries: Queries,
  email: string,
): Promise<FoundPrincipal | undefined> {
  const isTheirs = eq(persons.email, normalEmail(email));
  const [row] = await queries.select().from(persons).where(isTheirs);
  if (!row || row.isDisabled) return undefined;
  return { ...fieldsOfPerson(row), principalId: `${PERSON_PREFIX}${row.uid}` };
}

/** Who these ids of principals are; ids of nobody are left out. */
export async function describePrincipals(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PrincipalFields>> {
  const found = new Map<string, PrincipalFields>();
  const uids = ids
    .filter((id) => id.startsWith(PERSON_PREFIX))
    .map((id) => id.slice(PERSON_PREFIX.length));
  const clientIds = ids.filter((id) => !id.includes(":"));
  if (uids.length > 0) {
    const rows = await queries.select().from(persons).where(inArray(persons.uid, uids));
    for (const row of rows) found.set(`${PERSON_PREFIX}${row.uid}`, fieldsOfPerson(row));
  }
  if (clientIds.length > 0) {
    const rows = await queries
      .select()
      .from(applications)
      .where(inArray(applications.clientId, clientIds));
    for (const row of rows) found.set(row.clientId, fieldsOfApplication(row));
  }
  return found;
}

/** Somebody who has gone meanwhile. */
export const NOBODY: PrincipalFields = { clientId: "", email: "", person: "", displayName: "" };

/** The candidate as callers see it. */
export function candidateFrom(found: PrincipalFields, role: number): GrantCandidate {
  const { clientId, email, person, displayName } = found;
  return create(GrantCandidateSchema, { clientId, email, person, displayName, role });
}

function fieldsOfApplication(row: typeof applications.$inferSelect): PrincipalFields {
  return { ...NOBODY, clientId: row.clientId, displayName: row.displayName };
}

function fieldsOfPerson(row: typeof persons.$inferSelect): PrincipalFields {
  return { ...NOBODY, email: row.email, person: `people/${row.uid}`, displayName: row.displayName };
}
