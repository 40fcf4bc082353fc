/** A person's own account: what they see of it, and how they change it. */

import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { PersonSchema, SessionSchema } from "#gen/tributary/management/v1/account_pb.js";
import type {
  ChangePasswordRequest,
  DeleteMeRequest,
  DeleteSessionRequest,
  UpdateMeRequest,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { csrfTokenOf } from "../auth/csrf.ts";
import { ownedProjects } from "../catalog/application-store.ts";
import { checkEtag } from "../catalog/catalog.ts";
import { checkOwners, lockOwners } from "../catalog/grant-store.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { fail, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { listMemberships } from "./membership-store.ts";
import { addressOf, type People, personOf, sessionOf, uidOf } from "./people.ts";
import {
  deletePerson,
  findPerson,
  hasOtherOperator,
  lockPerson,
  type PersonRow,
  personFromRow,
  updatePerson,
} from "./person-store.ts";
import type { SessionRow } from "./session-store.ts";
import { countAttempt } from "./sign-in.ts";

/** The signed-in person, with the CSRF token of the session and the projects they are in. */
export async function getMe({ catalog, cookie }: People, context: HandlerContext) {
  const caller = personOf(context);
  const session =
    caller.credential === "session" ? cookie.read(context.requestHeader.get("cookie")) : undefined;
  return await catalog.database.acrossProjects(async (queries) => {
    const row = await findPerson(queries, uidOf(caller));
    if (!row) throw gone();
    return {
      person: await personFromRow(queries, row),
      csrfToken: session === undefined ? "" : csrfTokenOf(session),
      memberships: await listMemberships(queries, caller),
    };
  });
}

/** Changes the display name. */
export async function updateMe(
  { catalog }: People,
  { person: changed, updateMask: mask }: UpdateMeRequest,
  context: HandlerContext,
) {
  const uid = uidOf(sessionOf(context));
  return await catalog.database.acrossProjects(async (queries) => {
    const row = await lockPerson(queries, uid);
    if (!row || !changed) throw gone();
    checkEtag(changed.etag, { ...row, name: `people/${uid}` });
    const current = await personFromRow(queries, row);
    const wanted = applyFieldMask(PersonSchema, {
      ...{ current, changed, mask },
      writable: ["display_name"],
    });
    const values = {
      displayName: wanted.displayName || row.displayName,
      version: row.version + 1,
      updateTime: new Date(catalog.now()),
    };
    await updatePerson(queries, uid, values);
    return { person: await personFromRow(queries, { ...row, ...values }) };
  });
}

/** Changes the password and ends the other sessions. */
export async function changePassword(
  people: People,
  request: ChangePasswordRequest,
  context: HandlerContext,
) {
  const { catalog, passwords, sessions } = people;
  const caller = sessionOf(context);
  const row = await checkPassword(people, request.currentPassword, context);
  const passwordHash = await passwords.hash(request.newPassword);
  await catalog.database.acrossProjects((queries) =>
    updatePerson(queries, row.uid, {
      passwordHash,
      version: row.version + 1,
      updateTime: new Date(catalog.now()),
    }),
  );
  const all = await sessions.list(row.uid);
  await sessions.end(all.filter((session) => session.uid !== caller.tokenId));
  return {};
}

/** Deletes the caller: sessions and roles go with them, within 5 s on every node. */
export async function deleteMe(people: People, request: DeleteMeRequest, context: HandlerContext) {
  const { catalog, cookie } = people;
  const { id } = sessionOf(context);
  const row = await checkPassword(people, request.currentPassword, context);
  await catalog.database.acrossProjects(async (queries) => {
    if ((await personFromRow(queries, row)).operator && !(await hasOtherOperator(queries, row.uid)))
      throw fail("LAST_OWNER", "nobody else runs the installation: it would have no operator");
    const owned = await ownedProjects(queries, id);
    for (const projectUid of owned) await lockOwners(queries, projectUid);
    await deletePerson(queries, row.uid);
    for (const projectUid of owned) await checkOwners(queries, projectUid);
  });
  await catalog.refresh();
  context.responseHeader.set("set-cookie", cookie.clear());
  return {};
}

/** The caller's row, when the password is theirs. Fails with PASSWORD_WRONG, TOO_MANY_ATTEMPTS. */
async function checkPassword(
  { catalog, passwords, attempts }: People,
  password: string,
  context: HandlerContext,
): Promise<PersonRow> {
  const uid = uidOf(sessionOf(context));
  const row = await catalog.database.acrossProjects((queries) => findPerson(queries, uid));
  if (!row) throw gone();
  const attempt = countAttempt(attempts, normalEmail(row.email), addressOf(context));
  if (!(await passwords.verify(password, row.passwordHash))) {
    throw fail("PASSWORD_WRONG", "the current password is wrong", {
      violations: [{ field: "current_password", description: "is wrong" }],
    });
  }
  attempt.forgive();
  return row;
}

/** The caller's sessions. */
export async function listMySessions({ sessions }: People, context: HandlerContext) {
  const caller = sessionOf(context);
  const rows = await sessions.list(uidOf(caller));
  return { sessions: rows.map((row) => sessionFromRow(row, caller.tokenId)) };
}

/** Ends one of them. */
export async function deleteMySession(
  { sessions }: People,
  { name }: DeleteSessionRequest,
  context: HandlerContext,
) {
  const rows = await sessions.list(uidOf(sessionOf(context)));
  const found = rows.filter((row) => `sessions/${row.uid}` === name);
  if (found.length === 0) throw notFound(name);
  await sessions.end(found);
  return {};
}

function sessionFromRow(row: SessionRow, current: string) {
  return create(SessionSchema, {
    name: `sessions/${row.uid}`,
    current: row.uid === current,
    address: row.address,
    userAgent: row.userAgent,
    createTime: timestampFromDate(row.createTime),
    lastUsedTime: timestampFromDate(row.lastUsedTime),
    expireTime: timestampFromDate(row.expireTime),
  });
}

/** Deleted between the check of the session and now. */
function gone() {
  return notFound("the signed-in person");
}
