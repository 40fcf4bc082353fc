/** People in the database. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, eq, isNotNull, ne, sql } from "drizzle-orm";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { type Person, PersonSchema } from "#gen/tributary/management/v1/account_pb.js";
import { etagOf } from "../catalog/catalog.ts";
import { findRole } from "../catalog/grant-store.ts";
import { newestFirst } from "../catalog/newest-first.ts";
import type { PageRequest } from "../core/page-token.ts";
import { PERSON_PREFIX } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { grants, persons } from "../db/schema.ts";

/** A row of `persons`. */
export type PersonRow = typeof persons.$inferSelect;

/** Id of a person as a principal. */
export function principalIdOf({ uid }: Pick<PersonRow, "uid">): string {
  return `${PERSON_PREFIX}${uid}`;
}

/** The person as they see themselves. */
export async function personFromRow(queries: Queries, row: PersonRow): Promise<Person> {
  const role = await findRole(queries, "", principalIdOf(row));
  return create(PersonSchema, {
    name: `people/${row.uid}`,
    email: row.email,
    displayName: row.displayName,
    operator: role === AccessRule_Role.OPERATOR,
    disabled: row.isDisabled,
    createTime: timestampFromDate(row.createTime),
    ...(row.lastSignInTime && { lastSignInTime: timestampFromDate(row.lastSignInTime) }),
    etag: etagOf(row),
  });
}

/** A page of everybody. */
export async function listPersons(queries: Queries, page: PageRequest): Promise<PersonRow[]> {
  const { where, orderBy, limit } = newestFirst(persons, page);
  return await queries
    .select()
    .from(persons)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Whether anybody has signed up. */
export async function hasPeople(queries: Queries): Promise<boolean> {
  const [row] = await queries.select({ uid: persons.uid }).from(persons).limit(1);
  return row !== undefined;
}

/** Any number: sign-ups on an empty installation take turns. */
const FIRST_LOCK = 7318349394477058n;

/** Whether nobody has signed up; of several that ask at once only one transaction hears yes. */
export async function lockFirst(queries: Queries): Promise<boolean> {
  if (await hasPeople(queries)) return false;
  await queries.execute(sql`SELECT pg_advisory_xact_lock(${FIRST_LOCK.toString()}::bigint)`);
  return !(await hasPeople(queries));
}

/** Inserts; a taken e-mail address is a unique violation of `persons_email_key`. */
export async function insertPerson(queries: Queries, row: PersonRow): Promise<void> {
  await queries.insert(persons).values(row);
}

/** The person of this uid. */
export async function findPerson(queries: Queries, uid: string): Promise<PersonRow | undefined> {
  return (await queries.select().from(persons).where(eq(persons.uid, uid)))[0];
}

/** The person with this address, in its normal form. */
export async function findPersonByEmail(
  queries: Queries,
  email: string,
): Promise<PersonRow | undefined> {
  return (await queries.select().from(persons).where(eq(persons.email, email)))[0];
}

/** The person, locked until the transaction ends. */
export async function lockPerson(queries: Queries, uid: string): Promise<PersonRow | undefined> {
  return (await queries.select().from(persons).where(eq(persons.uid, uid)).for("update"))[0];
}

/** Changes a row; `version` must grow for every node to see it. */
export async function updatePerson(
  queries: Queries,
  uid: string,
  values: Partial<PersonRow>,
): Promise<void> {
  await queries.update(persons).set(values).where(eq(persons.uid, uid));
}

/** Deletes a person with their sessions and grants; call `checkOwners` after it. */
export async function deletePerson(queries: Queries, uid: string): Promise<void> {
  await queries.delete(persons).where(eq(persons.uid, uid));
}

/** Takes the role on the installation; call `hasOtherOperator` before it. */
export async function deleteOperator(queries: Queries, uid: string): Promise<void> {
  await queries
    .delete(grants)
    .where(
      and(
        eq(grants.resource, ""),
        eq(grants.role, AccessRule_Role.OPERATOR),
        eq(grants.personUid, uid),
      ),
    );
}

/** Whether another person runs the installation as well. Locks them against leaving meanwhile. */
export async function hasOtherOperator(queries: Queries, uid: string): Promise<boolean> {
  const rows = await queries
    .select({ uid: grants.personUid })
    .from(grants)
    .where(
      and(
        eq(grants.resource, ""),
        eq(grants.role, AccessRule_Role.OPERATOR),
        isNotNull(grants.personUid),
      ),
    )
    .for("update");
  const others = rows.filter((row) => row.uid !== uid).map((row) => row.uid!);
  for (const other of others) {
    const [active] = await queries
      .select({ uid: persons.uid })
      .from(persons)
      .where(and(eq(persons.uid, other), ne(persons.isDisabled, true)));
    if (active) return true;
  }
  return false;
}
