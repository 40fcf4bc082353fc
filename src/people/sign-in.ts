/** Signing in and out. */

import type { HandlerContext } from "@connectrpc/connect";
import type { SignInRequest } from "#gen/tributary/management/v1/account_service_pb.js";
import type { AttemptLimit } from "../auth/attempt-limit.ts";
import { checkFetchSite } from "../auth/csrf.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { fail } from "../core/errors.ts";
import { addressOf, beginSession, type People, sessionOf, uidOf } from "./people.ts";
import { findPersonByEmail, personFromRow, updatePerson } from "./person-store.ts";

/** Signs in. An unknown address, a wrong password and a disabled person answer alike, in equal time. */
export async function signIn(people: People, request: SignInRequest, context: HandlerContext) {
  checkFetchSite(context.requestHeader);
  const { database, now } = people.catalog;
  const email = normalEmail(request.email);
  const attempt = countAttempt(people.attempts, email, addressOf(context));
  const row = await database.acrossProjects((queries) => findPersonByEmail(queries, email));
  const isRight = await people.passwords.verify(request.password, row?.passwordHash);
  if (!row || !isRight || row.isDisabled) {
    throw fail("SIGN_IN_REFUSED", "the e-mail address or the password is wrong");
  }
  attempt.forgive();
  const signedIn = { ...row, lastSignInTime: new Date(now()) };
  const person = await database.acrossProjects(async (queries) => {
    await updatePerson(queries, row.uid, { lastSignInTime: signedIn.lastSignInTime });
    return await personFromRow(queries, signedIn);
  });
  return { person, csrfToken: await beginSession(people, row, context) };
}

/**
 * Counts a try before it is made, so that many at once are not more than many in turn. Fails with
 * TOO_MANY_ATTEMPTS; `forgive` takes the count back when the try was right.
 */
export function countAttempt(attempts: AttemptLimit, key: string, address: string) {
  const waitMs = attempts.waitMs(key, address);
  if (waitMs > 0) {
    throw fail("TOO_MANY_ATTEMPTS", "too many tries from this address; try again later", {
      retryAfterMs: waitMs,
      headers: { "Retry-After": String(Math.ceil(waitMs / 1000)) },
    });
  }
  attempts.countFailure(key, address);
  return { forgive: () => attempts.forgive(key, address) };
}

/** Ends the session of the call and removes its cookie. */
export async function signOut(people: People, context: HandlerContext) {
  const caller = sessionOf(context);
  const all = await people.sessions.list(uidOf(caller));
  await people.sessions.end(all.filter((row) => row.uid === caller.tokenId));
  context.responseHeader.set("set-cookie", people.cookie.clear());
  return {};
}

/** Ends all sessions of the caller. */
export async function signOutEverywhere(people: People, context: HandlerContext) {
  await people.sessions.end(await people.sessions.list(uidOf(sessionOf(context))));
  context.responseHeader.set("set-cookie", people.cookie.clear());
  return {};
}
