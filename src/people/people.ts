/** What the rpcs about people share, and how they find out who calls. */
import type { HandlerContext } from "@connectrpc/connect";
import type { AttemptLimit } from "../auth/attempt-limit.ts";
import type { AuthGate } from "../auth/auth.ts";
import { csrfTokenOf } from "../auth/csrf.ts";
import type { SessionCookie } from "../auth/session-cookie.ts";
import { type Catalog, callerOf } from "../catalog/catalog.ts";
import { callKey } from "../core/call.ts";
import { fail } from "../core/errors.ts";
import { PERSON_PREFIX, type PersonPrincipal, type Principal } from "../core/principal.ts";
import type { Passwords } from "./passwords.ts";
import type { PersonRow } from "./person-store.ts";
import { SESSION_SECONDS, type Sessions } from "./sessions.ts";

/** Sends mail; made by app. */
export interface Mailer {
  /** False when the installation has no mail server: then nothing is sent. */
  readonly isConfigured: boolean;
  send(mail: {
    readonly to: string;
    readonly subject: string;
    readonly text: string;
  }): Promise<void>;
}

/** What the rpcs need. */
export interface People {
  readonly catalog: Pick<Catalog, "database" | "refresh" | "makeUid" | "now" | "logger">;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly cookie: SessionCookie;
  /** Wrong passwords, per e-mail and address. */
  readonly attempts: AttemptLimit;
  /** Sign-ups, per address. */
  readonly signUps: AttemptLimit;
  /** Calls for such mails, per address. */
  readonly resetCalls: AttemptLimit;
  /** Mails for forgotten passwords, per e-mail address; in an hour. */
  readonly resets: AttemptLimit;
  /** Does what a call's answer must not wait for. */
  readonly inBackground: (work: () => Promise<void>) => void;
  readonly authenticate: AuthGate["authenticate"];
  readonly mailer: Mailer;
  /** Address under which browsers reach the server. */
  readonly publicUrl: () => string;
  /** What the first person must give; undefined on an installation for loopback only. */
  readonly setupToken: string | undefined;
  /** What people call the external provider; empty for none. */
  readonly externalProvider: string;
  /** Told when the first person has signed up. */
  readonly onFirstPerson: () => void;
}

/** Address of the caller, as limits and sessions know it. */
export function addressOf(context: HandlerContext): string {
  return context.values.get(callKey)?.remoteAddress ?? "";
}

/** The person who calls, by session or personal token. Fails with PERSON_REQUIRED. */
export function personOf(context: HandlerContext): PersonPrincipal {
  return asPerson(callerOf(context));
}

/** The caller as a person; fails with PERSON_REQUIRED for applications and service tokens. */
export function asPerson(principal: Principal): PersonPrincipal {
  if (principal.kind === "person") return principal;
  throw fail("PERSON_REQUIRED", "only a person can do this: sign in");
}

/** The person who calls in a session: a token may not change who it acts for. */
export function sessionOf(context: HandlerContext): PersonPrincipal {
  const principal = personOf(context);
  if (principal.credential === "session") return principal;
  throw fail("PERSON_REQUIRED", "a token cannot do this: sign in with e-mail and password");
}

/** Uid of a person, from their id as a principal. */
export function uidOf({ id }: Pick<PersonPrincipal, "id">): string {
  return id.slice(PERSON_PREFIX.length);
}

/** Signs a person in: sets the cookie, and gives the CSRF token that goes with it. */
export async function beginSession(
  { sessions, cookie }: People,
  person: PersonRow,
  context: HandlerContext,
): Promise<string> {
  const session = await sessions.begin(person, {
    address: addressOf(context),
    userAgent: context.requestHeader.get("user-agent") ?? "",
  });
  context.responseHeader.set("set-cookie", cookie.issue(session, SESSION_SECONDS));
  return csrfTokenOf(session);
}
