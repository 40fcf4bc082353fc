import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { SignJWT } from "jose";

export interface ClientKey {
  readonly jwk: Record<string, unknown>;
  readonly privateKey: KeyObject;
  readonly alg: string;
}

/** A new key pair of a client; ES256 unless another algorithm is named. */
export function makeClientKey(alg = "ES256", kid?: string): ClientKey {
  const pair =
    alg === "Ed25519" || alg === "EdDSA"
      ? generateKeyPairSync("ed25519")
      : alg.startsWith("ES")
        ? generateKeyPairSync("ec", { namedCurve: alg === "ES384" ? "P-384" : "P-256" })
        : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), ...(kid && { kid }) };
  return { jwk, privateKey: pair.privateKey, alg };
}

export interface SignedParts {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
}

/** Signs a JWT of the given claims; a claim of undefined is left out. */
export function signWith(
  key: ClientKey,
  { claims = {}, header = {} }: SignedParts,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: key.alg, ...header }).sign(key.privateKey);
}

/** A client assertion after RFC 7523 that would be good but for what is changed. */
export function signAssertion(
  key: ClientKey,
  { clientId, audience, ...changes }: SignedParts & { clientId: string; audience: string },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...changes.claims,
  };
  return signWith(key, { claims, header: { kid: key.jwk.kid as string, ...changes.header } });
}

export interface ProofParts extends SignedParts {
  readonly method?: string;
  readonly nonce?: string | undefined;
}

/** A DPoP proof after RFC 9449 that would be good but for what is changed. */
export function signProof(
  key: ClientKey,
  { method = "POST", url, nonce, ...changes }: ProofParts & { url: string },
): Promise<string> {
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: Math.floor(Date.now() / 1000),
    nonce,
    ...changes.claims,
  };
  return signWith(key, { claims, header: { typ: "dpop+jwt", jwk: key.jwk, ...changes.header } });
}
