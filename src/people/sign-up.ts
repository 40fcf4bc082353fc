/** Signing up: the first person, and those after them as the setting says. */

import { timingSafeEqual } from "node:crypto";
import type { HandlerContext } from "@connectrpc/connect";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import {
  GetSignUpOptionsResponse_Mode as Mode,
  type SignUpRequest,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { checkFetchSite } from "../auth/csrf.ts";
import { chooseId, insertNamed } from "../catalog/catalog.ts";
import { putGrant } from "../catalog/grant-store.ts";
import { insertOwnedProject } from "../catalog/owned-project.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { fail } from "../core/errors.ts";
import { formatName } from "../core/names.ts";
import type { Queries } from "../db/client.ts";
import { uniqueViolationOf } from "../db/database-errors.ts";
import { readSignUpMode } from "../db/sign-up-setting.ts";
import { addressOf, beginSession, type People } from "./people.ts";
import {
  findPersonByEmail,
  hasPeople,
  insertPerson,
  lockFirst,
  type PersonRow,
  personFromRow,
  principalIdOf,
} from "./person-store.ts";
import { sha256Of } from "./session-token.ts";
import { countAttempt } from "./sign-in.ts";

/** Who may sign up now. */
export async function signUpOptions({ catalog, setupToken, externalProvider, mailer }: People) {
  const mode = await catalog.database.acrossProjects(readMode);
  return {
    mode,
    setupTokenRequired: mode === Mode.FIRST_PERSON && setupToken !== undefined,
    externalProvider,
    passwordResetAvailable: mailer.isConfigured,
  };
}

async function readMode(queries: Queries): Promise<Mode> {
  return (await hasPeople(queries)) ? Mode[await readSignUpMode(queries)] : Mode.FIRST_PERSON;
}

/** Signs up. All or nothing: person, role, project. */
export async function signUp(people: People, request: SignUpRequest, context: HandlerContext) {
  checkFetchSite(context.requestHeader);
  countAttempt(people.signUps, "", addressOf(context));
  const { database, refresh } = people.catalog;
  const email = normalEmail(request.email);
  await database.acrossProjects((queries) => checkMayJoin(people, queries, { ...request, email }));
  const row = newPerson(people, {
    email,
    displayName: request.displayName,
    passwordHash: await people.passwords.hash(request.password),
  });
  const made = await insertAll(people, row, request.projectDisplayName);
  if (made.isFirst) people.onFirstPerson();
  await refresh();
  const person = await database.acrossProjects((queries) => personFromRow(queries, row));
  return { person, csrfToken: await beginSession(people, row, context), project: made.project };
}

/** The row of a person who signs up now. */
export function newPerson(
  { catalog }: People,
  given: Pick<PersonRow, "email" | "displayName" | "passwordHash">,
): PersonRow {
  const time = new Date(catalog.now());
  return {
    ...given,
    uid: catalog.makeUid(),
    displayName: given.displayName || given.email.split("@", 1)[0]!,
    isDisabled: false,
    lastSignInTime: time,
    version: 1,
    createTime: time,
    updateTime: time,
  };
}

/** Inserts a person; a taken address becomes ALREADY_EXISTS. */
export async function insertNew<T>(row: PersonRow | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (row && uniqueViolationOf(error) === "persons_email_key") throw emailTaken(row.email);
    throw error;
  }
}

/** ALREADY_EXISTS for the address of somebody who has signed up. */
export function emailTaken(email: string) {
  const description = "has signed up already: sign in";
  return fail("ALREADY_EXISTS", `somebody with the address ${email} has signed up already`, {
    violations: [{ field: "email", description }],
  });
}

async function checkMayJoin(
  { setupToken }: People,
  queries: Queries,
  request: Pick<SignUpRequest, "email" | "setupToken">,
): Promise<void> {
  const mode = await readMode(queries);
  if (mode === Mode.FIRST_PERSON) {
    if (setupToken === undefined || isEqual(request.setupToken, setupToken)) return;
    throw fail(
      "SIGN_UP_REFUSED",
      "setup_token is wrong: the server printed it at its start, and keeps it in setup.token of its data folder",
    );
  }
  if (await findPersonByEmail(queries, request.email)) throw emailTaken(request.email);
  if (mode === Mode.OPEN) return;
  throw fail(
    "SIGN_UP_REFUSED",
    mode === Mode.CLOSED
      ? "nobody can sign up here"
      : "sign-up is by invitation: ask the owner of a project for one",
  );
}

/** Whether two secrets are the same, in a time that tells nothing of either. */
export function isEqual(given: string, wanted: string): boolean {
  return timingSafeEqual(sha256Of(given), sha256Of(wanted));
}

async function insertAll(
  { catalog }: People,
  row: PersonRow,
  title: string,
): Promise<{ isFirst: boolean; project: string }> {
  const project =
    title === "" ? "" : formatName("project", chooseId("project_display_name", "", title));
  const insert = () =>
    catalog.database.acrossProjects(async (queries) => {
      const isFirst = await lockFirst(queries);
      // Another was first meanwhile.
      if (!isFirst && (await readMode(queries)) !== Mode.OPEN) {
        throw fail(
          "SIGN_UP_REFUSED",
          "somebody else has just signed up first; ask them to invite you",
        );
      }
      await insertPerson(queries, row);
      if (isFirst) await makeOperator(catalog, queries, row);
      if (project !== "") {
        const given = { name: project, displayName: title, description: "" };
        await insertOwnedProject(queries, catalog, { ...given, ownerId: principalIdOf(row) });
      }
      return { isFirst, project };
    });
  const named = { name: project, field: "project_display_name" };
  return await insertNew(row, () => insertNamed(named, insert));
}

/** Makes a person an operator of the installation, as the first one is. */
export async function makeOperator(
  catalog: People["catalog"],
  queries: Queries,
  row: PersonRow,
): Promise<void> {
  await putGrant(queries, {
    uid: catalog.makeUid(),
    projectUid: null,
    streamUid: null,
    resource: "",
    principalId: principalIdOf(row),
    role: AccessRule_Role.OPERATOR,
    version: 1,
    createTime: new Date(catalog.now()),
  });
}
