/**
 * Who a call comes from. A token is verified once; after that a call with it costs a map look-up and
 * the checks that may change at any time: expiry, revocation, the application.
 */
import type { Definitions } from "../core/definitions.ts";
import type { ApplicationPrincipal, Principal } from "../core/principal.ts";
import { TOKEN_PREFIX } from "../core/token-text.ts";
import { type AccessTokens, TOKEN_BYTES_MAX } from "./access-token.ts";
import { checkFresh } from "./authenticate-client.ts";
import { boundTokenOf, checkHolder, type ProvenCall } from "./bound-token.ts";
import { dpopRefused, tokenInvalid, tokenMissing, tokenRepeated } from "./challenge.ts";
import type { CredentialVerifiers } from "./credential-verifier.ts";
import type { ProofMemory } from "./proof-memory.ts";
import type { Revocations } from "./revocations.ts";

/** Where credentials of a call may be. */
export interface CallCredentials {
  /** Values of all Authorization headers, see `authorizationHeaders`. */
  readonly authorization: readonly string[];
  /** The session of the cookie; the header wins when there is one. */
  readonly session?: string | undefined;
  /** Path and query of the request: a token in it is never used, and refused beside a header. */
  readonly url?: string | undefined;
  /** The call with its DPoP headers; without it a token of the scheme DPoP is refused. */
  readonly proven?: ProvenCall | undefined;
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
   * was not verified before or is bound to a key, and `authenticate` must be asked. About 1 µs.
   * Fails as `authenticate`.
   */
  recall(authorization: string): Principal | undefined;
  /** As `recall` for the session of a cookie. */
  recallSession(session: string): Principal | undefined;
  /**
   * Fails with TOKEN_INVALID when the caller's credential has expired or been revoked meanwhile, or
   * its application is gone or disabled: for calls that live long.
   */
  recheck(principal: Principal): void;
}

/** What the authenticator works with. */
export interface AuthenticatorOptions {
  readonly tokens: AccessTokens;
  readonly revocations: Pick<Revocations, "has">;
  readonly definitions: Definitions;
  /** For credentials other than access tokens; those of kinds that are missing are refused. */
  readonly verifiers?: CredentialVerifiers;
  /** Verified tokens kept, those not used of late are dropped first; 10,000, about 1.5 KB each. */
  readonly cachedMax?: number;
  readonly now?: () => number;
  /** Remembers DPoP proofs; without it no tokens of the scheme DPoP are taken. */
  readonly proofs?: ProofMemory;
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
  const { revocations, definitions, verifiers = {} } = options;
  const { cachedMax = 10_000, now = Date.now } = options;
  const verified = new Map<string, Verified>();

  const recheck = (principal: Principal) => {
    const nowMs = now();
    checkFresh(definitions, nowMs);
    const { credential } = principal;
    // Nodes sign access tokens by their own clocks; the ends of the others stand in one database.
    const skewMs = credential === "access-token" ? CLOCK_SKEW_MS : 0;
    const isGood =
      nowMs < principal.expiresAtMs + skewMs &&
      !revocations.has(principal.tokenId) &&
      isOwnerGood(definitions, principal) &&
      (credential === "access-token" || verifiers[credential]?.isGood(principal) === true);
    if (!isGood) throw tokenInvalid();
  };
  const recallKey = (key: string) => {
    const found = verified.get(key);
    if (!found) return undefined;
    recheck(found.principal);
    found.isUsed = true;
    return found.principal;
  };
  const keep = (key: string, principal: Principal | undefined) => {
    if (!principal) throw tokenInvalid();
    recheck(principal);
    verified.set(key, { principal, isUsed: false });
    if (verified.size > cachedMax) dropUnused(verified);
    return principal;
  };
  const verify = async (authorization: string) => {
    const token = tokenOf(authorization);
    if (token.startsWith(TOKEN_PREFIX)) return await verifiers.token?.verify(token);
    const principal = await verifyAccessToken(options, token);
    if (principal?.boundKey === undefined) return principal;
    throw dpopRefused(
      "invalid_token",
      "the token is bound to a key: send it as DPoP, with a proof",
    );
  };
  const { proofs } = options;
  const authenticateBound = async (authorization: string, token: string, call: ProvenCall) => {
    const principal =
      recallKey(authorization) ?? keep(authorization, await verifyAccessToken(options, token));
    if (!proofs) throw tokenMissing();
    await checkHolder(principal, { ...call, accessToken: token }, { proofs, now });
    return principal;
  };
  return {
    recall: (authorization) =>
      boundTokenOf(authorization) === undefined ? recallKey(authorization) : undefined,
    recallSession: (session) => recallKey(sessionKey(session)),
    recheck,
    async authenticate({ authorization, session, url = "", proven }) {
      const [value] = authorization;
      if (value === undefined && session === undefined) throw tokenMissing();
      if (authorization.length > 1 || (value !== undefined && hasQueryToken(url)))
        throw tokenRepeated();
      checkFresh(definitions, now());
      const bound = value === undefined ? undefined : boundTokenOf(value);
      if (value !== undefined && bound !== undefined) {
        if (!proven) throw tokenMissing();
        return await authenticateBound(value, bound, proven);
      }
      if (value !== undefined) return recallKey(value) ?? keep(value, await verify(value));
      const key = sessionKey(session!);
      return recallKey(key) ?? keep(key, await verifiers.session?.verify(session!));
    },
  };
}

/** Holds a byte that no header has, so that no Authorization header equals it. */
function sessionKey(session: string): string {
  return `\0${session}`;
}

/** Whether the application or person that the credential stands for is still there and enabled. */
function isOwnerGood(definitions: Definitions, principal: Principal): boolean {
  if (principal.kind === "person") return definitions.person(principal.id)?.isDisabled === false;
  if (principal.kind === "token") return true;
  const application = definitions.applicationByClientId(principal.id);
  return application?.isDisabled === false && application.projectUid === principal.projectUid;
}

async function verifyAccessToken(
  { tokens, definitions }: AuthenticatorOptions,
  token: string,
): Promise<ApplicationPrincipal | undefined> {
  const claims = await tokens.verify(token);
  const application = claims && definitions.applicationByClientId(claims.client_id);
  if (!application || application.name !== claims.sub) return undefined;
  return {
    kind: "application",
    credential: "access-token",
    id: claims.client_id,
    projectUid: application.projectUid,
    operations: new Set(claims.scope.split(" ")),
    tokenId: claims.jti,
    expiresAtMs: claims.exp * 1000,
    ...(claims.cnf && { boundKey: claims.cnf.jkt }),
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
  return headerValues(rawHeaders, "authorization");
}

/** All values of a header, whose name is in small letters. */
export function headerValues(rawHeaders: readonly string[], wanted: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === wanted.length && name.toLowerCase() === wanted)
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
