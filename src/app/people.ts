/** Puts people together: sessions before access control, which verifies them, the rest after it. */

import { createHmac } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAttemptLimit } from "../auth/attempt-limit.ts";
import type { Auth } from "../auth/auth.ts";
import { createSessionCookie, type SessionCookie } from "../auth/session-cookie.ts";
import { createUseNotes } from "../auth/use-notes.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Config } from "../config.ts";
import { currentKeyOf } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import { makeUid } from "../core/uid.ts";
import { createPasswords } from "../people/passwords.ts";
import type { People } from "../people/people.ts";
import { hasPeople } from "../people/person-store.ts";
import { noteSessionUse } from "../people/session-store.ts";
import { createSessions, type Sessions } from "../people/sessions.ts";
import type { Closers } from "./closers.ts";
import type { Foundations } from "./foundations.ts";

/** What access control needs of people, and people of access control. */
export interface SessionParts {
  readonly sessions: Sessions;
  readonly cookie: SessionCookie;
}

/** Opens sessions. `auth` is asked for when one ends. */
export function openSessions(
  { database, snapshot, masterKey, logger, config }: Foundations,
  auth: () => Auth,
  closers: Closers,
): SessionParts {
  const uses = createUseNotes({
    save: (sessionUid, time) =>
      database.acrossProjects((queries) => noteSessionUse(queries, sessionUid, time)),
    logger,
  });
  closers.add("notes of sessions", uses.close);
  const sessions = createSessions({
    masterKey: currentKeyOf(masterKey),
    ...{ database, definitions: snapshot, refresh: snapshot.refresh, makeUid },
    revocations: () => auth().revocations,
    onUse: uses.note,
    now: Date.now,
  });
  return { sessions, cookie: createSessionCookie({ isSecure: isHttps(config) }) };
}

/** Sign-ups, or calls for a new password, from one address in a minute, right or wrong. */
const SIGN_UPS_MAX = 20;

/** Mails for a forgotten password to one address in an hour. */
const RESETS_MAX = 3;
const HOUR_MS = 60 * 60_000;
/** Works of the background at once; more are left out. */
const BACKGROUND_MAX = 50;

/** Runs works that nobody waits for but the end of the node. */
function openBackground(logger: Logger, closers: Closers): People["inBackground"] {
  const running = new Set<Promise<void>>();
  closers.add("works of the background", async () => {
    await Promise.all(running);
  });
  return (work) => {
    if (running.size >= BACKGROUND_MAX) {
      logger.warn("too many mails are asked for at once: one is left out");
      return;
    }
    const done = work()
      .catch((error: unknown) => logger.warn("a work of the background failed", { error }))
      .finally(() => running.delete(done));
    running.add(done);
  };
}

/** What the rpcs about people work with. */
export function openPeople(
  { config, masterKey, mailer, logger, counts: { share } }: Foundations,
  parts: SessionParts & {
    readonly catalog: Catalog;
    readonly auth: Auth;
    readonly publicUrl: () => string;
  },
  closers: Closers,
): People {
  return {
    ...parts,
    passwords: createPasswords(),
    attempts: createAttemptLimit({ shared: { kind: "sign-in", share } }),
    signUps: createAttemptLimit({
      ...{ perClient: SIGN_UPS_MAX, perAddress: SIGN_UPS_MAX },
      shared: { kind: "sign-up", share },
    }),
    resetCalls: createAttemptLimit({
      ...{ perClient: SIGN_UPS_MAX, perAddress: SIGN_UPS_MAX },
      shared: { kind: "reset call", share },
    }),
    resets: createAttemptLimit({
      ...{ perClient: RESETS_MAX, perAddress: Number.POSITIVE_INFINITY, windowMs: HOUR_MS },
      shared: { kind: "reset", share },
    }),
    inBackground: openBackground(logger, closers),
    authenticate: parts.auth.gate.authenticate,
    mailer,
    externalProvider: config.TRIBUTARY_OIDC_ISSUER ? config.TRIBUTARY_OIDC_NAME : "",
    setupToken: isPrivate(config) ? undefined : setupTokenOf(currentKeyOf(masterKey)),
    onFirstPerson: () => rmSync(setupTokenPath(config), { force: true }),
  };
}

/**
 * Where the first person needs the set-up token and nobody has signed up: writes it to
 * `<data dir>/setup.token` and gives it, to be shown to who started the server.
 */
export async function offerSetupToken(
  { config, database }: Foundations,
  { setupToken }: People,
): Promise<string | undefined> {
  if (setupToken === undefined || (await database.acrossProjects(hasPeople))) return undefined;
  const path = setupTokenPath(config);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  writeFileSync(path, `${setupToken}\n`, { mode: 0o600 });
  return setupToken;
}

function setupTokenPath({ dataDir }: Config): string {
  return join(dataDir, "setup.token");
}

/** The same on every node, as they share the master key. */
function setupTokenOf(masterKey: Uint8Array): string {
  return createHmac("sha256", masterKey).update("tributary setup token").digest("base64url");
}

/** Whether browsers reach the server over https. */
export function isHttps(config: Config): boolean {
  const isPublic = config.PUBLIC_URL?.startsWith("https:") === true;
  return (
    isPublic || config.TRIBUTARY_TLS_CERT !== undefined || config.TRIBUTARY_TRUST_PROXY_TLS === true
  );
}

/** Whether nobody but this machine reaches the server: neither its address nor its public one. */
function isPrivate({ isLoopback, PUBLIC_URL }: Config): boolean {
  if (!isLoopback) return false;
  if (PUBLIC_URL === undefined) return true;
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(PUBLIC_URL).hostname);
}
