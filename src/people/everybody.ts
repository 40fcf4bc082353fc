/** What an operator sees and does of people. */
import type { Person } from "#gen/tributary/management/v1/account_pb.js";
import type { ListPeopleRequest } from "#gen/tributary/management/v1/account_service_pb.js";
import { cursorOf } from "../catalog/newest-first.ts";
import { fail, notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import type { People } from "./people.ts";
import {
  deleteOperator,
  hasOtherOperator,
  listPersons,
  lockPerson,
  type PersonRow,
  personFromRow,
  updatePerson,
} from "./person-store.ts";
import { makeOperator } from "./sign-up.ts";

/** A page of everybody who has signed up. */
export async function listEverybody({ catalog }: People, request: ListPeopleRequest) {
  const page = readPageRequest("people", request);
  return await catalog.database.acrossProjects(async (queries) => {
    const { rows, nextPageToken } = makePage(page, await listPersons(queries, page), cursorOf);
    const people: Person[] = [];
    for (const row of rows) people.push(await personFromRow(queries, row));
    return { people, nextPageToken };
  });
}

/** Shuts a person out, or lets them in again; their sessions and tokens follow within 5 s. */
export async function setDisabled({ catalog }: People, name: string, isDisabled: boolean) {
  const person = await catalog.database.acrossProjects(async (queries) => {
    const row = await personOf(queries, name);
    const current = await personFromRow(queries, row);
    if (isDisabled && current.operator) await checkOtherOperator(queries, row);
    const values = {
      isDisabled,
      version: row.version + 1,
      updateTime: new Date(catalog.now()),
    };
    await updatePerson(queries, row.uid, values);
    return await personFromRow(queries, { ...row, ...values });
  });
  await catalog.refresh();
  return { person };
}

/** Makes a person an operator, or takes that away; every node knows within 5 s. */
export async function setOperator({ catalog }: People, name: string, isOperator: boolean) {
  const person = await catalog.database.acrossProjects(async (queries) => {
    const row = await personOf(queries, name);
    const current = await personFromRow(queries, row);
    if (isOperator && row.isDisabled) {
      throw fail("WRONG_STATE", `${name} is shut out: let them in first`, { metadata: { name } });
    }
    if (isOperator && !current.operator) await makeOperator(catalog, queries, row);
    if (!isOperator && current.operator) {
      await checkOtherOperator(queries, row);
      await deleteOperator(queries, row.uid);
    }
    return await personFromRow(queries, row);
  });
  await catalog.refresh();
  return { person };
}

/** The person, locked. Fails with RESOURCE_NOT_FOUND. */
async function personOf(queries: Queries, name: string): Promise<PersonRow> {
  const row = await lockPerson(queries, name.replace(/^people\//, ""));
  if (!row || name !== `people/${row.uid}`) throw notFound(name);
  return row;
}

async function checkOtherOperator(queries: Queries, { uid }: PersonRow): Promise<void> {
  if (await hasOtherOperator(queries, uid)) return;
  throw fail("LAST_OWNER", "nobody else runs the installation: it would have no operator");
}
