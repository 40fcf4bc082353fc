import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { type JWK, SignJWT, UnsecuredJWT } from "jose";

/** What it takes to make tokens as a server would: its key above all. */
export interface TokenMint {
  readonly issuer: string;
  readonly clientId: string;
  /** Name of the application. */
  readonly subject: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
}

/** What differs from a good token; undefined leaves out. */
export interface TokenChanges {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: KeyObject;
}

/** A token like the server's own but for what is given. */
export function forgeToken(mint: TokenMint, changes: TokenChanges): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: mint.issuer,
    aud: mint.issuer,
    sub: mint.subject,
    client_id: mint.clientId,
    scope: "api:use-streams-read api:use-streams-write",
    jti: "forged",
    iat: now,
    exp: now + 900,
    ...changes.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: mint.kid, ...changes.header })
    .sign(changes.key ?? mint.privateKey);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Bad tokens by name; each would be good but for what the name says. */
export async function badTokens(mint: TokenMint): Promise<Record<string, string>> {
  const { kid, issuer, publicJwk: jwk } = mint;
  const forge = (changes: TokenChanges) => forgeToken(mint, changes);
  const now = Math.floor(Date.now() / 1000);
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const good = await forge({});
  const [head = "", payload = "", signature = ""] = good.split(".");
  const spki = createPublicKey(mint.privateKey).export({ type: "spki", format: "pem" }).toString();
  const hmacHead = `${encode({ alg: "HS256", typ: "at+jwt", kid })}.${payload}`;
  const hmac = (key: string) =>
    `${hmacHead}.${createHmac("sha256", key).update(hmacHead).digest("base64url")}`;
  return {
    "alg none": new UnsecuredJWT({ sub: "x" }).encode(),
    "alg none with our claims": `${encode({ alg: "none", typ: "at+jwt", kid })}.${payload}.`,
    "alg none, signature kept": `${encode({ alg: "none", typ: "at+jwt", kid })}.${payload}.${signature}`,
    "HS256 with the public key": hmac(spki),
    "HS256 with the public JWK": hmac(JSON.stringify(jwk)),
    "HS256 with an empty key": hmac(""),
    "another key": await forge({ key: other.privateKey }),
    "kid unknown": await forge({ header: { kid: "nope" } }),
    "kid missing": await forge({ header: { kid: undefined } }),
    "kid a path": await forge({ header: { kid: "../../../../dev/null" } }),
    "kid SQL": await forge({ header: { kid: "' OR 1=1 --" } }),
    "kid __proto__": await forge({ header: { kid: "__proto__" } }),
    "kid a number": await forge({ header: { kid: 1 } }),
    "jwk header": await forge({
      header: { jwk: other.publicKey.export({ format: "jwk" }) },
      key: other.privateKey,
    }),
    "jwk header on a good signature": await forge({ header: { jwk } }),
    "jku header": await forge({ header: { jku: "https://evil.example/jwks.json" } }),
    "x5u header": await forge({ header: { x5u: "https://evil.example/x" } }),
    "typ JWT": await forge({ header: { typ: "JWT" } }),
    "typ missing": await forge({ header: { typ: undefined } }),
    "iss another": await forge({ claims: { iss: "https://other.example" } }),
    "iss with a slash": await forge({ claims: { iss: `${issuer}/` } }),
    "aud another": await forge({ claims: { aud: "https://other.example" } }),
    "aud a list": await forge({ claims: { aud: [issuer, "https://other.example"] } }),
    "exp past": await forge({ claims: { iat: now - 900, exp: now - 61 } }),
    "nbf future": await forge({ claims: { nbf: now + 120 } }),
    "iat future": await forge({ claims: { iat: now + 120 } }),
    "iat old with a far exp": await forge({ claims: { iat: now - 3600, exp: now + 3600 } }),
    "no exp": await forge({ claims: { exp: undefined } }),
    "no iat": await forge({ claims: { iat: undefined } }),
    "no jti": await forge({ claims: { jti: undefined } }),
    "exp text": await forge({ claims: { exp: "9999999999" } }),
    "sub another application": await forge({ claims: { sub: "projects/demo/applications/b" } }),
    "client unknown": await forge({ claims: { client_id: "nobody" } }),
    "client __proto__": await forge({ claims: { client_id: "__proto__" } }),
    "payload changed": `${head}.${encode({ sub: "x" })}.${signature}`,
    "signature cut": good.slice(0, -2),
    "signature empty": `${head}.${payload}.`,
    "signature zero": `${head}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
    "five parts": `${good}.a.b`,
    "100 KB": `${head}.${"A".repeat(100_000)}.${signature}`,
    "just over 16 KiB": "A".repeat(16 * 1024 + 1),
    "not a JWT": "hello",
    "bad characters": "héllo wörld",
    empty: "",
  };
}
