/** Access tokens: JWTs after RFC 9068, signed with ES256 and checked with fixed expectations. */
import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import type { ApplicationDefinition } from "../core/definitions.ts";
import { makeUid } from "../core/uid.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** Lifetime of a token in seconds. */
export const TOKEN_LIFETIME_S = 900;
/** Longest token that is looked at, in bytes. */
export const TOKEN_BYTES_MAX = 16 * 1024;
/** How far clocks may differ, in seconds. */
const CLOCK_SKEW_S = 60;

/** What a token says; times are seconds since 1970. */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly aud: string;
  /** Name of the application: a user's subject never begins with `projects/`. */
  readonly sub: string;
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  readonly scope: string;
  /** Thumbprint of the key that the token is bound to (RFC 9449 section 6.1); any holder's if none. */
  readonly cnf?: { readonly jkt: string };
}

/** How a token is sent: `DPoP` when it is bound to a key. */
export type TokenType = "Bearer" | "DPoP";

/** The type of a token that says this. */
export function typeOf({ cnf }: Pick<AccessTokenClaims, "cnf">): TokenType {
  return cnf ? "DPoP" : "Bearer";
}

/** What tokens are made of. */
export interface AccessTokensOptions {
  readonly keys: SigningKeys;
  /** Public URL of the server, also the audience; known once the port is open. */
  readonly issuer: () => string;
  readonly now?: () => number;
}

/** Signing and checking of access tokens. */
export interface AccessTokens {
  /** `jkt` binds the token to the key with this thumbprint. */
  sign(application: ApplicationDefinition, scope: string, jkt?: string): Promise<string>;
  /**
   * The claims of a token of ours that is in its time; undefined for anything else. Whether it was
   * revoked, and its application is still there, is for the caller to check.
   */
  verify(token: string): Promise<AccessTokenClaims | undefined>;
}

/** Signs and checks tokens with the keys in memory. */
export function createAccessTokens({
  keys,
  issuer,
  now = Date.now,
}: AccessTokensOptions): AccessTokens {
  return {
    sign(application, scope, jkt) {
      const { kid, privateKey } = keys.signer();
      const iat = Math.floor(now() / 1000);
      const cnf = jkt === undefined ? undefined : { cnf: { jkt } };
      return new SignJWT({ client_id: application.clientId, scope, ...cnf })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
        .setIssuer(issuer())
        .setAudience(issuer())
        .setSubject(application.name)
        .setIssuedAt(iat)
        .setExpirationTime(iat + TOKEN_LIFETIME_S)
        .setJti(makeUid())
        .sign(privateKey);
    },
    async verify(token) {
      const key = token.length <= TOKEN_BYTES_MAX ? keys.verifier(kidOf(token)) : undefined;
      if (!key) return undefined;
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: ["ES256"],
          typ: "at+jwt",
          issuer: issuer(),
          audience: issuer(),
          clockTolerance: CLOCK_SKEW_S,
          maxTokenAge: TOKEN_LIFETIME_S,
          requiredClaims: ["exp", "jti", "sub", "client_id", "scope"],
          currentDate: new Date(now()),
        });
        return isOurs(payload) ? payload : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** The key id of a header that holds what we sign and nothing else; empty for any other. */
function kidOf(token: string): string {
  try {
    const { alg, typ, kid, ...others } = decodeProtectedHeader(token);
    const isPlain = alg === "ES256" && typ === "at+jwt" && Object.keys(others).length === 0;
    return isPlain && typeof kid === "string" ? kid : "";
  } catch {
    return "";
  }
}

function isOurs(payload: object): payload is AccessTokenClaims {
  const claims = payload as Record<string, unknown>;
  const isText = (name: string) => typeof claims[name] === "string";
  const { cnf } = claims as { cnf?: { jkt?: unknown } };
  if (cnf !== undefined && typeof cnf?.jkt !== "string") return false;
  return ["aud", "sub", "client_id", "jti", "scope"].every(isText);
}
