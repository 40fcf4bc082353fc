/**
 * Who a call comes from. A token is verified once; after that a call with it costs a map look-up and
 * the checks that may change at any time: expiry, revocation, the application.
 */
import type { Definitions } from "../core/definitions.ts";
import type { Principal } from "../core/principal.ts";
import { type AccessTokens, TOKEN_BYTES_MAX } from "./access-token.ts";
import { checkFresh } from "./authenticate-client.ts";
import { tokenInvalid, tokenMissing, tokenRepeated } from "./challenge.ts";
import type { Revocations } from "./revocations.ts";

/** Where credentials of a call may be. */
export interface CallCredentials {
  /** Values of all Authorization headers, see `authorizationHeaders`. */
  readonly authorization: readonly string[];
  /** Path and query of the request: a token in it is never used, and refused beside a header. */
  readonly url?: string | undefined;
}

/** Finds out who calls. */
export interface Authenticator {
  /**
   * Fails with TOKEN_MISSING, TOKEN_INVALID (401), TOKEN_REPEATED (400), each with its
   * WWW-Authenticate header, and DATABASE_UNAVAILABLE when definitions are older than 15 minutes.
   */
  authenticate(credentials: CallCredentials): Promise<Principal>;
  /**
   * The same for the value of the one Authorization header, without waiting: undefined when the token
   * was not verified before, and `authenticate` must be asked. About 1 µs. Fails as `authenticate`.
   */
  recall(authorization: string): Principal | undefined;
  /**
   * Fails with TOKEN_INVALID when the caller's token has expired or been revoked meanwhile, or its
   * application is gone or disabled: for calls that live long.
   */
  recheck(principal: Principal): void;
}

/** What the authenticator works with. */
export interface AuthenticatorOptions {
  readonly tokens: AccessTokens;
  readonly revocations: Pick<Revocations, "has">;
  readonly definitions: Definitions;
  /** Verified tokens kept, those not used of late are dropped first; 10,000, about 1.5 KB each. */
  readonly cachedMax?: number;
  readonly now?: () => number;
}

interface Verified {
  readonly principal: Principal;
  isUsed: boolean;
}

/** Clocks of nodes may differ by this much. */
const CLOCK_SKEW_MS = 60_000;
const BEARER = /^bearer +([a-z0-9\-._~+/]+=*) *$/i;
const SCHEME_MAX = 64;

/** Makes the authenticator, with an empty cache of verified tokens. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { tokens, revocations, definitions, cachedMax = 10_000, now = Date.now } = options;
  const verified = new Map<string, Verified>();

  const recheck = (principal: Principal) => {
    const nowMs = now();
    checkFresh(definitions, nowMs);
    const application = definitions.applicationByClientId(principal.id);
    const isGood =
      nowMs < principal.expiresAtMs + CLOCK_SKEW_MS &&
      !revocations.has(principal.tokenId) &&
      application?.isDisabled === false &&
      application.projectUid === principal.projectUid;
    if (!isGood) throw tokenInvalid();
  };
  const recall = (authorization: string) => {
    const found = verified.get(authorization);
    if (!found) return undefined;
    recheck(found.principal);
    found.isUsed = true;
    return found.principal;
  };
  const verify = async (authorization: string) => {
    const claims = await tokens.verify(tokenOf(authorization));
    const application = claims && definitions.applicationByClientId(claims.client_id);
    if (!application || application.name !== claims.sub) throw tokenInvalid();
    const principal: Principal = {
      kind: "application",
      id: claims.client_id,
      projectUid: application.projectUid,
      operations: new Set(claims.scope.split(" ")),
      tokenId: claims.jti,
      expiresAtMs: claims.exp * 1000,
    };
    recheck(principal);
    verified.set(authorization, { principal, isUsed: false });
    if (verified.size > cachedMax) dropUnused(verified);
    return principal;
  };
  return {
    recall,
    recheck,
    async authenticate({ authorization, url = "" }) {
      const [value] = authorization;
      if (value === undefined) throw tokenMissing();
      if (authorization.length > 1 || hasQueryToken(url)) throw tokenRepeated();
      checkFresh(definitions, now());
      return recall(value) ?? verify(value);
    },
  };
}

/** Drops the oldest that was not used since it was last looked at; a hit only sets a flag. */
function dropUnused(verified: Map<string, Verified>): void {
  for (const [authorization, entry] of verified) {
    verified.delete(authorization);
    if (!entry.isUsed) return;
    entry.isUsed = false;
    verified.set(authorization, entry);
  }
}

/** All Authorization values of `rawHeaders`: Node's `headers` drops the second one silently. */
export function authorizationHeaders(rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 13 && name.toLowerCase() === "authorization")
      values.push(rawHeaders[i + 1]!);
  }
  return values;
}

/**
 * Refuses, for every request before anything else, credentials in more than one place: two
 * Authorization headers, or one beside a token in the query. Fails with TOKEN_REPEATED. The routes
 * below `/oauth2/` answer for themselves, in the words of RFC 6749.
 */
export function checkCredentials(rawHeaders: readonly string[], url: string): void {
  const values = authorizationHeaders(rawHeaders);
  if (values.length === 0 || url.startsWith("/oauth2/")) return;
  if (values.length > 1 || hasQueryToken(url)) throw tokenRepeated();
}

function hasQueryToken(url: string): boolean {
  const query = url.indexOf("?");
  return query >= 0 && new URLSearchParams(url.slice(query + 1)).has("access_token");
}

/** The Bearer token of the header; other schemes are no credentials of this server. */
function tokenOf(authorization: string): string {
  if (authorization.length > TOKEN_BYTES_MAX + SCHEME_MAX) throw tokenInvalid();
  if (!/^bearer(?: |$)/i.test(authorization)) throw tokenMissing();
  if (authorization.includes(",")) throw tokenRepeated();
  const token = BEARER.exec(authorization)?.[1];
  if (!token) throw tokenInvalid();
  return token;
}
