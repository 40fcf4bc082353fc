/** Client authentication by a signed JWT, `private_key_jwt` (RFC 7523 section 3). */
import { compactVerify, decodeJwt, decodeProtectedHeader, type JWTPayload } from "jose";
import type { ApplicationDefinition } from "../core/definitions.ts";
import { type PublicJwk, suits } from "../core/public-jwk.ts";
import { OAuthError } from "./oauth-error.ts";
import { keyOf } from "./proof-key.ts";
import type { SpendProof } from "./used-proofs.ts";

/** The one `client_assertion_type` (RFC 7523 section 2.2). */
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** Longest assertion that is looked at, in bytes. */
export const ASSERTION_BYTES_MAX = 8 * 1024;
/** Longest time until an assertion's end, in seconds. */
const LIFETIME_MAX_S = 300;
/** How far clocks may differ, in seconds. */
const CLOCK_SKEW_S = 60;
const JTI_MAX = 256;

/** What assertions are checked with. */
export interface AssertionCheckOptions {
  readonly spendProof: SpendProof;
  /** Public URL of the server. */
  readonly issuer: () => string;
  readonly now: () => number;
}

/**
 * Whether the assertion is signed by a key of the application, which may be unknown. Fails with
 * OAuthError invalid_client for what is wrong with its claims, and with DATABASE_UNAVAILABLE when
 * it cannot be told whether it was used before.
 */
export type CheckAssertion = (
  application: ApplicationDefinition | undefined,
  assertion: string,
) => Promise<boolean>;

/** Makes the check. */
export function createAssertionCheck(options: AssertionCheckOptions): CheckAssertion {
  const { spendProof, issuer, now } = options;
  return async (application, assertion) => {
    const nowS = now() / 1000;
    const claims = claimsOf(assertion);
    const fault = faultOf(claims, { issuer: issuer(), nowS });
    if (fault) throw refused(fault);
    const keys = application?.publicKeys ?? [];
    if (!(await isSignedByOneOf(keys, assertion))) return false;
    const { sub = "", jti = "", exp = 0 } = claims;
    const isNew = await spendProof({
      owner: `client ${sub}`,
      jti,
      endMs: (exp + CLOCK_SKEW_S) * 1000,
    });
    if (!isNew)
      throw refused("it was used before: sign a new one, with another jti, for each call");
    return true;
  };
}

/** The client id that an assertion claims. Fails with OAuthError invalid_client. */
export function clientOfAssertion(assertion: string): string {
  const { sub } = claimsOf(assertion);
  if (typeof sub !== "string" || sub === "") throw refused("sub must be the client id");
  return sub;
}

function claimsOf(assertion: string): JWTPayload {
  if (assertion.length > ASSERTION_BYTES_MAX) throw refused("it is too long");
  try {
    return decodeJwt(assertion);
  } catch (cause) {
    throw refused("it is not a signed JWT", cause);
  }
}

function refused(fault: string, cause?: unknown): OAuthError {
  return new OAuthError("invalid_client", `the client assertion is not taken: ${fault}`, {
    parameter: "client_assertion",
    cause,
  });
}

/** The rules of RFC 7523 section 3 that the claims alone tell. */
function faultOf(
  claims: JWTPayload,
  { issuer, nowS }: { readonly issuer: string; readonly nowS: number },
): string | undefined {
  const { iss, sub, aud, exp, nbf, iat, jti } = claims;
  const isTime = (value: unknown) => value === undefined || Number.isFinite(value);
  if (iss !== sub) return "iss and sub must both be the client id";
  if (aud !== issuer && aud !== `${issuer.replace(/\/$/, "")}/oauth2/token`) {
    return "aud must be the issuer of this server and nothing else";
  }
  if (exp === undefined || ![exp, nbf, iat].every(isTime)) return "exp must be a number of seconds";
  if (exp <= nowS - CLOCK_SKEW_S) return "it has expired";
  if (exp > nowS + LIFETIME_MAX_S + CLOCK_SKEW_S) return "exp must be at most 5 minutes ahead";
  if (Math.max(nbf ?? 0, iat ?? 0) > nowS + CLOCK_SKEW_S) return "its time has not come yet";
  if (typeof jti !== "string" || jti === "" || jti.length > JTI_MAX) {
    return `jti must be a text of 1 to ${JTI_MAX} characters`;
  }
  return undefined;
}

async function isSignedByOneOf(keys: readonly PublicJwk[], assertion: string): Promise<boolean> {
  const { alg = "", kid } = decodeProtectedHeader(assertion);
  for (const jwk of keys) {
    const isNamed = kid === undefined || jwk.kid === undefined || jwk.kid === kid;
    if (!isNamed || !suits(jwk, alg)) continue;
    try {
      await compactVerify(assertion, await keyOf(jwk, alg), { algorithms: [alg] });
      return true;
    } catch {
      // Another of the application's keys may be the one.
    }
  }
  return false;
}
