import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { exportSPKI, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAccessTokens } from "../../src/auth/access-token.ts";
import {
  authorizationHeaders,
  checkCredentials,
  createAuthenticator,
} from "../../src/auth/authenticate.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { type AuthServer, basic, startAuthServer } from "./support/auth-server.ts";

let server: AuthServer;

beforeAll(async () => {
  server = await startAuthServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.clockOffsetMs = 0;
  server.definitions.setFreshAt(undefined);
  server.definitions.putApplication({ clientId: "app", project: "demo" });
});

interface Refusal {
  readonly reason: string | undefined;
  readonly challenge: string | null;
  readonly message: string;
}

async function refusalOf(authorization: string[], url = "/"): Promise<Refusal | undefined> {
  try {
    await server.auth.authenticator.authenticate({ authorization, url });
    return undefined;
  } catch (error) {
    const { metadata, message } = error as { metadata: Headers; message: string };
    return { reason: reasonOf(error), challenge: metadata.get("www-authenticate"), message };
  }
}

const INVALID =
  'Bearer realm="tributary", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this server"';

/** A token like ours but for what is given. */
function forge(changes: { header?: object; claims?: object; key?: KeyObject }): Promise<string> {
  const { kid, privateKey } = server.auth.keys.signer();
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: server.url,
    aud: server.url,
    sub: "projects/demo/applications/app",
    client_id: "app",
    scope: "api:use-streams-read",
    jti: "forged",
    iat: now,
    exp: now + 900,
    ...changes.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid, ...changes.header })
    .sign(changes.key ?? privateKey);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Bad tokens by name; each would be good but for what the name says. */
async function badTokens(): Promise<Record<string, string>> {
  const { kid } = server.auth.keys.signer();
  const now = Math.floor(Date.now() / 1000);
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const good = await forge({});
  const [head = "", payload = "", signature = ""] = good.split(".");
  const spki = await exportSPKI(server.auth.keys.verifier(kid)!);
  const hmacHead = `${encode({ alg: "HS256", typ: "at+jwt", kid })}.${payload}`;
  const hmac = (key: string) =>
    `${hmacHead}.${createHmac("sha256", key).update(hmacHead).digest("base64url")}`;
  const jwk = server.auth.keys.publicKeys()[0];
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
    "iss with a slash": await forge({ claims: { iss: `${server.url}/` } }),
    "aud another": await forge({ claims: { aud: "https://other.example" } }),
    "aud a list": await forge({ claims: { aud: [server.url, "https://other.example"] } }),
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

describe("bad input 60", () => {
  test("every bad token gets the same 401, within 5 ms", async () => {
    expect(await refusalOf([`Bearer ${await forge({})}`])).toBeUndefined();
    const tokens = await badTokens();
    for (const [name, token] of Object.entries(tokens)) {
      const took: number[] = [];
      for (let i = 0; i < 3; i++) {
        const start = performance.now();
        const refusal = await refusalOf([`Bearer ${token}`]);
        took.push(performance.now() - start);
        expect([name, refusal?.reason, refusal?.challenge]).toEqual([
          name,
          "TOKEN_INVALID",
          INVALID,
        ]);
        expect(refusal?.message).not.toContain(name);
      }
      expect([name, Math.min(...took) < 5]).toEqual([name, true]);
    }
  });

  test("two Authorization headers, or a header and a query token, get 400", async () => {
    const good = `Bearer ${await server.token("app")}`;
    const all = [
      await refusalOf([good, good]),
      await refusalOf([`${good}, ${good}`]),
      await refusalOf([good], "/x?a=1&access_token=x"),
    ];
    for (const refusal of all) {
      expect(refusal?.reason).toBe("TOKEN_REPEATED");
      expect(refusal?.challenge).toContain('error="invalid_request"');
    }
  });

  test("both headers are seen although Node joins or drops them", () => {
    const raw = ["Host", "a", "Authorization", "Bearer a", "AUTHORIZATION", "Bearer b"];
    expect(authorizationHeaders(raw)).toEqual(["Bearer a", "Bearer b"]);
    expect(() => checkCredentials(raw, "/v1/x")).toThrow("one access token");
    expect(() => checkCredentials(raw.slice(0, 4), "/v1/x?access_token=a")).toThrow();
    checkCredentials(raw.slice(0, 4), "/v1/x?access=a");
    checkCredentials([], "/v1/x?access_token=a");
    checkCredentials(raw, "/oauth2/token");
  });
});

describe("check 18: RFC 6750", () => {
  test("no credentials, other schemes and a query token get a bare challenge", async () => {
    const token = await server.token("app");
    const bare = { reason: "TOKEN_MISSING", challenge: 'Bearer realm="tributary"' };
    expect(await refusalOf([])).toMatchObject(bare);
    expect(await refusalOf([basic("app")])).toMatchObject(bare);
    expect(await refusalOf([], `/x?access_token=${token}`)).toMatchObject(bare);
  });

  test("the scheme is case-insensitive", async () => {
    const token = await server.token("app");
    for (const scheme of ["bearer", "BEARER", "Bearer "]) {
      expect(await refusalOf([`${scheme} ${token}`])).toBeUndefined();
    }
  });
});

test("the caller is the application of the token", async () => {
  const token = await server.token("app", "api:use-streams-write");
  const caller = await server.auth.authenticator.authenticate({
    authorization: [`Bearer ${token}`],
  });
  expect(caller).toMatchObject({ kind: "application", id: "app", projectUid: "uid-demo" });
  expect([...(caller.operations ?? [])]).toEqual(["api:use-streams-write"]);
});

test("a verified token is recalled without waiting, and stops with its application, its end or stale definitions", async () => {
  const { authenticator } = server.auth;
  const header = `Bearer ${await server.token("app")}`;
  expect(authenticator.recall(header)).toBeUndefined();
  const caller = await authenticator.authenticate({ authorization: [header] });
  expect(authenticator.recall(header)).toBe(caller);

  const reasonNow = () => {
    try {
      authenticator.recheck(caller);
      authenticator.recall(header);
      return "OK";
    } catch (error) {
      return reasonOf(error);
    }
  };
  server.definitions.putApplication({ clientId: "app", project: "demo", isDisabled: true });
  expect(reasonNow()).toBe("TOKEN_INVALID");
  server.definitions.removeApplication("app");
  expect(reasonNow()).toBe("TOKEN_INVALID");
  server.definitions.putApplication({ clientId: "app", project: "demo" });
  expect(reasonNow()).toBe("OK");
  server.definitions.setFreshAt(Date.now() - 15 * 60_000 - 1_000);
  expect(reasonNow()).toBe("DATABASE_UNAVAILABLE");
  server.definitions.setFreshAt(undefined);
  server.clockOffsetMs = 900_000 + 61_000;
  server.definitions.setFreshAt(Date.now() + server.clockOffsetMs);
  expect(reasonNow()).toBe("TOKEN_INVALID");
});

test("a recalled token costs microseconds", async () => {
  const header = `Bearer ${await server.token("app")}`;
  const { authenticator } = server.auth;
  await authenticator.authenticate({ authorization: [header] });
  // Each request brings a new string, whose hash is not known yet.
  const copies = Array.from({ length: 20_000 }, () => Buffer.from(header).toString("latin1"));
  const start = performance.now();
  for (const copy of copies) authenticator.recall(copy);
  expect((performance.now() - start) / copies.length).toBeLessThan(0.05);
});

test("verified tokens are bounded: one in use stays, the others are dropped and verified again", async () => {
  const tokens = createAccessTokens({ keys: server.auth.keys, issuer: () => server.url });
  const revocations = { has: () => false };
  const { definitions } = server;
  const authenticator = createAuthenticator({ tokens, revocations, definitions, cachedMax: 5 });
  const headers: string[] = [];
  for (let i = 0; i < 20; i++) {
    headers.push(`Bearer ${await forge({ claims: { jti: `t${i}` } })}`);
    await authenticator.authenticate({ authorization: [headers[i]!] });
    expect(authenticator.recall(headers[0]!)).toBeDefined();
  }
  const kept = headers.filter((header) => authenticator.recall(header) !== undefined);
  expect(kept.length).toBeLessThanOrEqual(5);
  for (const header of headers) await authenticator.authenticate({ authorization: [header] });
});

test("no text is taken for a token that was not issued", async () => {
  const good = await server.token("app");
  const edit = fc.record({
    // Not the last character: four of its bits are padding, which decoders ignore.
    at: fc.nat(good.length - 2),
    character: fc.constantFrom(..."ABCabc019-_.=".split("")),
  });
  await fc.assert(
    fc.asyncProperty(edit, async ({ at, character }) => {
      const changed = good.slice(0, at) + character + good.slice(at + 1);
      const refusal = await refusalOf([`Bearer ${changed}`]);
      expect(changed === good || refusal !== undefined).toBe(true);
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      expect(await refusalOf([text])).toBeDefined();
    }),
  );
});
