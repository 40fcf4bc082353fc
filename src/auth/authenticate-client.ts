/** Checks a client's secret or assertion against the definitions in memory. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { ApplicationDefinition, Definitions } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { AttemptLimit } from "./attempt-limit.ts";
import type { CheckAssertion } from "./client-assertion.ts";
import { type CredentialSources, readClientCredentials } from "./client-credentials.ts";
import { OAuthError } from "./oauth-error.ts";

/** What clients are checked against. */
export interface ClientAuthenticatorOptions {
  readonly definitions: Definitions;
  readonly attempts: AttemptLimit;
  readonly checkAssertion: CheckAssertion;
  readonly now?: () => number;
}

/** Credentials with the address they came from. */
export interface ClientCall extends CredentialSources {
  /** IP address of the caller, after trusted proxies. */
  readonly address: string;
}

/**
 * Returns the application. Fails with OAuthError: invalid_client (with `retryAfterMs` after too many
 * wrong secrets), invalid_request; with DATABASE_UNAVAILABLE when the definitions are too old, or
 * an assertion comes while the database does not answer.
 */
export type AuthenticateClient = (call: ClientCall) => Promise<ApplicationDefinition>;

/** How long definitions count while Postgres does not answer. */
export const STALE_MAX_MS = 15 * 60_000;

/** Live secrets of one application that are compared; there are at most two while one is rotated. */
const COMPARED_SECRETS = 4;
const NO_SECRET = Buffer.alloc(32);
/** One text for each kind of credentials, so that it tells nothing about who exists. */
const FAULTS = {
  secret: "unknown client, wrong secret, secrets switched off, or disabled",
  assertion: "unknown client, an assertion signed by no public key of it, or disabled",
} as const;

/** Makes the check that all endpoints for clients share. */
export function createClientAuthenticator(options: ClientAuthenticatorOptions): AuthenticateClient {
  const { definitions, attempts, checkAssertion, now = Date.now } = options;
  return async (call) => {
    const credentials = readClientCredentials(call);
    const { clientId } = credentials;
    checkFresh(definitions, now());
    const waitMs = attempts.waitMs(clientId, call.address);
    if (waitMs > 0) {
      throw new OAuthError("invalid_client", "too many wrong secrets; try again later", {
        retryAfterMs: waitMs,
      });
    }
    const application = definitions.applicationByClientId(clientId);
    const isRight =
      credentials.kind === "assertion"
        ? await checkAssertion(application, credentials.assertion)
        : compareSecrets(application, credentials.clientSecret, now());
    if (application && isRight && !application.isDisabled) return application;
    attempts.countFailure(clientId, call.address);
    throw new OAuthError("invalid_client", FAULTS[credentials.kind]);
  };
}

/** Fails with DATABASE_UNAVAILABLE when the definitions are older than 15 minutes. */
export function checkFresh(definitions: Definitions, nowMs: number): void {
  if (nowMs - definitions.freshAtMs() <= STALE_MAX_MS) return;
  throw fail("DATABASE_UNAVAILABLE", "who may do what is not known: the database does not answer", {
    retryAfterMs: 5_000,
  });
}

/** Does the same work for an unknown client as for a known one, however many secrets that has. */
function compareSecrets(
  application: ApplicationDefinition | undefined,
  secret: string,
  nowMs: number,
): boolean {
  const digest = createHash("sha256").update(secret).digest();
  let isRight = false;
  for (let i = 0; i < COMPARED_SECRETS; i++) {
    const stored = application?.secrets[i];
    const isLive = stored !== undefined && (stored.endTimeMs ?? Number.POSITIVE_INFINITY) > nowMs;
    const isEqual = timingSafeEqual(digest, stored?.sha256 ?? NO_SECRET);
    isRight = (isLive && isEqual) || isRight;
  }
  return isRight && application?.isSecretRefused === false;
}
