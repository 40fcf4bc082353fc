/** A forgotten password: a link by mail, good once and for an hour, lets its person choose another. */
import { randomBytes } from "node:crypto";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  RequestPasswordResetRequest,
  ResetPasswordRequest,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { checkFetchSite } from "../auth/csrf.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { fail } from "../core/errors.ts";
import { deleteReset, findResetPerson, insertReset } from "./password-reset-store.ts";
import { addressOf, type People } from "./people.ts";
import { findPersonByEmail, lockPerson, updatePerson } from "./person-store.ts";
import { sha256Of } from "./session-token.ts";
import { countAttempt } from "./sign-in.ts";

const VALID_MS = 60 * 60 * 1000;

/**
 * Mails a link to who has this address and a password. Whether anybody has it shows neither in the
 * answer nor in its time: the look-up and the mail follow behind it.
 */
export async function requestPasswordReset(
  people: People,
  request: RequestPasswordResetRequest,
  context: HandlerContext,
) {
  checkFetchSite(context.requestHeader);
  if (!people.mailer.isConfigured) {
    const text = "this installation sends no mail: ask its operator, who may shut out and invite";
    throw fail("MAIL_NOT_CONFIGURED", text);
  }
  countAttempt(people.resetCalls, "", addressOf(context));
  const email = normalEmail(request.email);
  // Counted for all that ask, wherever they come from: nobody floods another's mailbox.
  if (people.resets.waitMs(email, "") > 0) return {};
  people.resets.countFailure(email, "");
  people.inBackground(() => mailLink(people, email));
  return {};
}

async function mailLink({ catalog, mailer, publicUrl }: People, email: string): Promise<void> {
  const token = randomBytes(32).toString("base64url");
  const { database, now } = catalog;
  const isMade = await database.acrossProjects(async (queries) => {
    const row = await findPersonByEmail(queries, email);
    // Who signs in elsewhere only has no password to forget.
    if (!row || row.isDisabled || row.passwordHash === null) return false;
    const expireTime = new Date(now() + VALID_MS);
    const reset = { sha256: sha256Of(token), personUid: row.uid, expireTime };
    await insertReset(queries, reset, new Date(now()));
    return true;
  });
  if (!isMade) return;
  // Behind the hash: browsers do not send that part, so it is in no log of a server or proxy.
  const link = `${publicUrl()}/#reset=${token}`;
  await mailer.send({
    to: email,
    subject: "A new password",
    text:
      `Somebody, hopefully you, asked for a new password at ${publicUrl()}. Open this link within an ` +
      `hour to choose one:\n\n${link}\n\nIf it was not you, there is nothing to do: the old password stays.\n`,
  });
}

/** Sets the password; the person signs in with it then. Fails with RESOURCE_NOT_FOUND, TOO_MANY_ATTEMPTS. */
export async function resetPassword(
  people: People,
  request: ResetPasswordRequest,
  context: HandlerContext,
) {
  checkFetchSite(context.requestHeader);
  const { catalog, passwords, sessions, attempts } = people;
  const attempt = countAttempt(attempts, "reset", addressOf(context));
  const sha256 = sha256Of(request.token);
  const isKnown = await catalog.database.acrossProjects((queries) =>
    findResetPerson(queries, sha256, new Date(catalog.now())),
  );
  if (isKnown === undefined) throw linkEnded();
  const passwordHash = await passwords.hash(request.newPassword);
  const person = await catalog.database.acrossProjects(async (queries) => {
    const uid = await deleteReset(queries, sha256, new Date(catalog.now()));
    const row = uid === undefined ? undefined : await lockPerson(queries, uid);
    if (!row || row.isDisabled) throw linkEnded();
    const updateTime = new Date(catalog.now());
    await updatePerson(queries, row.uid, { passwordHash, version: row.version + 1, updateTime });
    return row;
  });
  attempt.forgive();
  await sessions.end(await sessions.list(person.uid));
  people.inBackground(() => mailNotice(people, person.email));
  return { person: `people/${person.uid}` };
}

async function mailNotice({ mailer, publicUrl }: People, to: string): Promise<void> {
  if (!mailer.isConfigured) return;
  await mailer.send({
    ...{ to, subject: "Your password was changed" },
    text: `Your password at ${publicUrl()} was changed by a link from a mail, and all sessions ended. If it was not you, ask for another link at once.\n`,
  });
}

function linkEnded() {
  return fail("RESOURCE_NOT_FOUND", "the link was used, or is older than an hour: ask for another");
}
