/** WWW-Authenticate values after RFC 6750 section 3 and RFC 7617, and the refusals that carry them. */
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "../core/errors.ts";
import { PROOF_ALGORITHMS } from "../core/public-jwk.ts";

const BEARER = 'Bearer realm="tributary"';

/** For a client that failed to authenticate at the token endpoint (RFC 6749 section 5.2). */
export const BASIC_CHALLENGE = 'Basic realm="tributary", charset="UTF-8"';

/** For a token that lacks an operation; `scope` is what it would need. */
export function insufficientScopeChallenge(scope: string): string {
  return `${BEARER}, error="insufficient_scope", scope="${scope}"`;
}

/** No credentials at all: a bare challenge, without an error code. */
export function tokenMissing(): ConnectError {
  return fail("TOKEN_MISSING", "sign in, or send an access token: Authorization: Bearer …", {
    headers: { "WWW-Authenticate": BEARER },
  });
}

/** One answer for every bad token, so that it tells nothing about why. */
export function tokenInvalid(): ConnectError {
  const text = "the access token is malformed, expired, revoked or not for this server";
  return fail("TOKEN_INVALID", text, {
    headers: {
      "WWW-Authenticate": `${BEARER}, error="invalid_token", error_description="${text}"`,
    },
  });
}

/** A token of the scheme DPoP, or one that should be (RFC 9449 sections 7.1 and 9). */
export function dpopRefused(
  error: "invalid_token" | "invalid_dpop_proof" | "use_dpop_nonce",
  text: string,
  nonce?: string,
): ConnectError {
  const algorithms = PROOF_ALGORITHMS.join(" ");
  return fail("TOKEN_INVALID", text, {
    headers: {
      "WWW-Authenticate": `DPoP realm="tributary", error="${error}", error_description="${text}", algs="${algorithms}"`,
      ...(nonce && { "DPoP-Nonce": nonce }),
    },
  });
}

/** Credentials in more than one place: which one counts would be a guess. */
export function tokenRepeated(): ConnectError {
  const text = "send one access token, in one Authorization header";
  return fail("TOKEN_REPEATED", text, {
    headers: {
      "WWW-Authenticate": `${BEARER}, error="invalid_request", error_description="${text}"`,
    },
  });
}
