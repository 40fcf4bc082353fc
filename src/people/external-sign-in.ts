/**
 * Signing in through an external provider: by its subject, and the first time by the e-mail address
 * that it has verified. Who has no account gets one where the setting for sign-up lets them.
 */
import type { ExternalIdentity } from "../auth/oidc-provider.ts";
import type { SignedIn, SignInOrigin } from "../auth/oidc-routes.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { fail } from "../core/errors.ts";
import type { Queries } from "../db/client.ts";
import { readSignUpMode } from "../db/sign-up-setting.ts";
import { findPersonByIdentity, isInvited, linkIdentity } from "./external-identity-store.ts";
import { type People, uidOf } from "./people.ts";
import {
  findPersonByEmail,
  insertPerson,
  lockFirst,
  type PersonRow,
  updatePerson,
} from "./person-store.ts";
import { SESSION_SECONDS } from "./sessions.ts";
import { isEqual, makeOperator, newPerson } from "./sign-up.ts";

const EMAIL_MAX = 254;
const NAME_MAX = 100;

/** Begins a session of the person. Fails with SIGN_IN_REFUSED and SIGN_UP_REFUSED. */
export async function signInExternally(
  people: People,
  identity: ExternalIdentity,
  origin: SignInOrigin,
): Promise<SignedIn> {
  const { catalog, sessions, cookie } = people;
  const currentUid = await signedInUid(people, origin.cookie);
  const { row, isFirst, isNew } = await catalog.database.acrossProjects((queries) =>
    findOrJoin(people, queries, { identity, currentUid, setupToken: origin.setupToken }),
  );
  if (isFirst) people.onFirstPerson();
  if (isNew) await catalog.refresh();
  const session = await sessions.begin(row, origin);
  return { person: `people/${row.uid}`, setCookie: cookie.issue(session, SESSION_SECONDS) };
}

/** Uid of who is signed in to this browser already. */
async function signedInUid(people: People, header: string | undefined) {
  if (people.cookie.read(header ?? null) === undefined) return undefined;
  const headers = { get: (name: string) => (name === "cookie" ? (header ?? null) : null) };
  try {
    const principal = await people.authenticate(headers, { method: "GET", url: "/", isRead: true });
    return principal.kind === "person" ? uidOf(principal) : undefined;
  } catch {
    // A session that ended is none.
    return undefined;
  }
}

interface Arrival {
  readonly identity: ExternalIdentity;
  readonly currentUid: string | undefined;
  readonly setupToken: string | undefined;
}

async function findOrJoin(people: People, queries: Queries, arrival: Arrival) {
  const { identity, currentUid } = arrival;
  const time = new Date(people.catalog.now());
  const linked = await findPersonByIdentity(queries, identity);
  const row = linked ?? (await findByVerifiedEmail(queries, identity, currentUid));
  if (!row) return { ...(await join(people, queries, arrival)), isNew: true };
  if (row.isDisabled) throw refused("your account is disabled");
  await updatePerson(queries, row.uid, { lastSignInTime: time });
  if (!linked) await linkIdentity(queries, identity, { personUid: row.uid, createTime: time });
  return { row, isFirst: false, isNew: false };
}

/**
 * An account with a password may have been made by somebody who only claimed the address: its password
 * must be known before the provider's word opens it.
 */
async function findByVerifiedEmail(
  queries: Queries,
  { email, isEmailVerified }: ExternalIdentity,
  currentUid: string | undefined,
): Promise<PersonRow | undefined> {
  if (email === "" || email.length > EMAIL_MAX || !isEmailVerified) {
    throw refused("the provider does not say that your e-mail address is verified");
  }
  const row = await findPersonByEmail(queries, normalEmail(email));
  if (!row || row.passwordHash === null || row.uid === currentUid) return row;
  throw refused(
    "there is an account with your e-mail address and a password: sign in with the password once, " +
      "then sign in with the provider in the same browser",
  );
}

async function join(people: People, queries: Queries, { identity, setupToken }: Arrival) {
  const email = normalEmail(identity.email);
  const isFirst = await lockFirst(queries);
  if (isFirst) checkFirst(people, setupToken);
  else await checkMayJoin(people, queries, email);
  const displayName = identity.displayName.replace(/\p{Cc}/gu, " ").slice(0, NAME_MAX);
  const row = newPerson(people, { email, displayName, passwordHash: null });
  await insertPerson(queries, row);
  await linkIdentity(queries, identity, { personUid: row.uid, createTime: row.createTime });
  if (isFirst) await makeOperator(people.catalog, queries, row);
  return { row, isFirst };
}

function checkFirst({ setupToken }: People, given = ""): void {
  if (setupToken === undefined || isEqual(given, setupToken)) return;
  throw fail(
    "SIGN_UP_REFUSED",
    "the first person needs the set-up token that the server printed at its start: open /auth/oidc/start?setup_token=…",
  );
}

async function checkMayJoin({ catalog }: People, queries: Queries, email: string): Promise<void> {
  const mode = await readSignUpMode(queries);
  if (mode === "OPEN") return;
  const now = new Date(catalog.now());
  if (mode === "BY_INVITATION" && (await isInvited(queries, email, now))) return;
  throw fail(
    "SIGN_UP_REFUSED",
    mode === "CLOSED"
      ? "nobody can sign up here"
      : "sign-up is by invitation: ask the owner of a project for one",
  );
}

function refused(why: string) {
  return fail("SIGN_IN_REFUSED", why);
}
