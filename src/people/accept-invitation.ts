/** Taking up an invitation, with or without an account. */
import type { HandlerContext } from "@connectrpc/connect";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import type { AcceptInvitationRequest } from "#gen/tributary/management/v1/account_service_pb.js";
import { checkFetchSite } from "../auth/csrf.ts";
import { findRole, putGrant } from "../catalog/grant-store.ts";
import { fail, failFields } from "../core/errors.ts";
import type { PersonPrincipal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { readSignUpMode } from "../db/sign-up-setting.ts";
import { deleteInvitation, findInvitation, type ProjectInvitation } from "./invitation-store.ts";
import { invitationFrom } from "./invitations.ts";
import { addressOf, asPerson, beginSession, type People, uidOf } from "./people.ts";
import {
  findPerson,
  findPersonByEmail,
  insertPerson,
  type PersonRow,
  personFromRow,
  principalIdOf,
} from "./person-store.ts";
import { sha256Of } from "./session-token.ts";
import { countAttempt } from "./sign-in.ts";
import { emailTaken, insertNew, newPerson } from "./sign-up.ts";

const PASSWORD_LENGTH_MIN = 10;

/** What an invitation is for. */
export async function lookupInvitation({ catalog }: People, { token }: { readonly token: string }) {
  return await catalog.database.acrossProjects(async (queries) => {
    const found = await invitationOf(queries, token, catalog.now());
    const known = await findPersonByEmail(queries, found.invitation.email);
    return { invitation: { ...invitationFrom(found), known: known !== undefined } };
  });
}

/** Joins the signed-in person, or signs up a new one with the invited address. */
export async function acceptInvitation(
  people: People,
  request: AcceptInvitationRequest,
  context: HandlerContext,
) {
  const { catalog } = people;
  const caller = await callerIn(people, context);
  const row = caller ? undefined : await signUpRow(people, request, context);
  const taken = await insertNew(row, () =>
    catalog.database.acrossProjects(async (queries) => {
      if (row) await insertPerson(queries, row);
      const person = row ?? (await findPerson(queries, uidOf(caller!)));
      if (!person) throw invitationEnded();
      return { person, project: await join(people, queries, { token: request.token, person }) };
    }),
  );
  await catalog.refresh();
  const person = await catalog.database.acrossProjects((queries) =>
    personFromRow(queries, taken.person),
  );
  const csrfToken = row ? await beginSession(people, row, context) : "";
  return { person, csrfToken, project: taken.project };
}

/** The signed-in person; undefined without credentials. */
async function callerIn(
  { authenticate, cookie }: People,
  { requestHeader }: HandlerContext,
): Promise<PersonPrincipal | undefined> {
  const hasCookie = cookie.read(requestHeader.get("cookie")) !== undefined;
  if (!hasCookie && requestHeader.get("authorization") === null) {
    checkFetchSite(requestHeader);
    return undefined;
  }
  return asPerson(await authenticate(requestHeader));
}

/** The person to sign up: refused before the slow hash where it would be in vain. */
async function signUpRow(
  people: People,
  request: AcceptInvitationRequest,
  context: HandlerContext,
): Promise<PersonRow> {
  const { catalog, passwords, signUps } = people;
  countAttempt(signUps, "", addressOf(context));
  if (request.password.length < PASSWORD_LENGTH_MIN) {
    const description = `must have at least ${PASSWORD_LENGTH_MIN} characters; or sign in first`;
    throw failFields([{ field: "password", description }]);
  }
  const email = await catalog.database.acrossProjects(async (queries) => {
    const { invitation } = await invitationOf(queries, request.token, catalog.now());
    if (await findPersonByEmail(queries, invitation.email)) throw emailTaken(invitation.email);
    if ((await readSignUpMode(queries)) === "CLOSED") {
      throw fail(
        "SIGN_UP_REFUSED",
        "nobody can sign up here; somebody who has may sign in and join",
      );
    }
    return invitation.email;
  });
  const passwordHash = await passwords.hash(request.password);
  return newPerson(people, { email, displayName: request.displayName, passwordHash });
}

/** Gives the role, once. A higher role that the person has already stays. */
async function join(
  { catalog }: People,
  queries: Queries,
  { token, person }: { readonly token: string; readonly person: PersonRow },
): Promise<string> {
  const { invitation, project } = await invitationOf(queries, token, catalog.now());
  if (!(await deleteInvitation(queries, project.uid, invitation.uid))) throw invitationEnded();
  if (person.email !== invitation.email) {
    throw fail(
      "INVITATION_OF_ANOTHER",
      `the invitation is for ${invitation.email}: sign in with that address, or sign out and sign up with it`,
    );
  }
  if (!(await mayStillInvite(queries, { invitation, project }))) throw invitationEnded();
  const principalId = principalIdOf(person);
  if ((await findRole(queries, project.name, principalId)) < invitation.role) {
    await putGrant(queries, {
      uid: catalog.makeUid(),
      projectUid: project.uid,
      streamUid: null,
      resource: project.name,
      principalId,
      role: invitation.role,
      version: 1,
      createTime: new Date(catalog.now()),
    });
  }
  return project.name;
}

/** Nobody gives more than they have: an invitation ends with the role of who made it. */
async function mayStillInvite(
  queries: Queries,
  { invitation, project }: ProjectInvitation,
): Promise<boolean> {
  const { creatorId } = invitation;
  const role = await findRole(queries, project.name, creatorId);
  if (role === AccessRule_Role.OWNER) return true;
  return (await findRole(queries, "", creatorId)) === AccessRule_Role.OPERATOR;
}

async function invitationOf(
  queries: Queries,
  token: string,
  nowMs: number,
): Promise<ProjectInvitation> {
  const found = await findInvitation(queries, sha256Of(token), new Date(nowMs));
  if (!found) throw invitationEnded();
  return found;
}

function invitationEnded() {
  return fail("RESOURCE_NOT_FOUND", "the invitation was used, taken back, or is older than 7 days");
}
