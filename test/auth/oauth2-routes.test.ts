import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  connect,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { decodeJwt, decodeProtectedHeader } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOAuth2Routes } from "../../src/auth/token-routes.ts";
import { PROOF_ALGORITHMS } from "../../src/core/public-jwk.ts";
import { type AuthServer, basic, listen, startAuthServer } from "./support/auth-server.ts";
import { sha256 } from "./support/memory-definitions.ts";

let server: AuthServer;
const GRANT = { grant_type: "client_credentials" };
let addresses = 0;

beforeAll(async () => {
  server = await startAuthServer();
});
afterAll(() => server.close());
beforeEach(() => {
  addresses++;
  server.callerAddress = `192.0.2.${addresses}`;
  server.clockOffsetMs = 0;
  server.definitions.putApplication({ clientId: "app", project: "demo" });
});

async function expectError(answer: Response, status: number, code: string): Promise<void> {
  const body = (await answer.json()) as Record<string, unknown>;
  expect({ status: answer.status, error: body.error }).toEqual({ status, error: code });
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(answer.headers.get("cache-control")).toBe("no-store");
}

describe("check 14: the token endpoint", () => {
  const auth = { authorization: basic("app") };

  test("GET and PUT answer 405 with Allow", async () => {
    for (const method of ["GET", "PUT"]) {
      const answer = await fetch(`${server.url}/oauth2/token`, { method });
      expect(answer.headers.get("allow")).toBe("POST");
      await expectError(answer, 405, "invalid_request");
    }
  });

  test("anything but a form answers 415", async () => {
    for (const type of ["application/json", "text/plain", "application/x-www-form-urlencodedx"]) {
      const headers = { ...auth, "content-type": type };
      const answer = await server.post("/oauth2/token", GRANT, headers);
      await expectError(answer, 415, "invalid_request");
    }
  });

  test("a repeated parameter, and a missing or empty grant_type, are invalid_request", async () => {
    const bodies = [
      "grant_type=client_credentials&grant_type=client_credentials",
      "grant_type=client_credentials&scope=a&scope=a",
      "grant_type=client_credentials&client_id=app&client_id=app",
      "",
      "grant_type=",
      "scope=api%3Ause-streams-read",
      "grant_type=%FF",
      "grant_type=%zz",
    ];
    for (const body of bodies) {
      await expectError(await server.post("/oauth2/token", body, auth), 400, "invalid_request");
    }
  });

  test("two ways of client authentication are invalid_request", async () => {
    const secret = { client_id: "app", client_secret: "secret of app" };
    const both = await server.post("/oauth2/token", { ...GRANT, ...secret }, auth);
    await expectError(both, 400, "invalid_request");
    const other = await server.post("/oauth2/token", { ...GRANT, client_id: "b" }, auth);
    await expectError(other, 400, "invalid_request");
    const assertion = { ...GRANT, client_assertion: "a.b.c", client_assertion_type: "x" };
    await expectError(await server.post("/oauth2/token", assertion, auth), 400, "invalid_request");
  });

  test("another grant is unsupported_grant_type", async () => {
    for (const grant of ["password", "authorization_code", "refresh_token"]) {
      const answer = await server.post("/oauth2/token", { grant_type: grant }, auth);
      await expectError(answer, 400, "unsupported_grant_type");
    }
  });

  test("F15: the grant switched off is unauthorized_client, on again it works", async () => {
    server.definitions.putApplication({
      clientId: "app",
      project: "demo",
      isClientCredentialsEnabled: false,
    });
    await expectError(await server.post("/oauth2/token", GRANT, auth), 400, "unauthorized_client");
    server.definitions.putApplication({ clientId: "app", project: "demo" });
    expect((await server.post("/oauth2/token", GRANT, auth)).status).toBe(200);
  });

  test("a scope that is unknown or not the application's is invalid_scope", async () => {
    for (const scope of ["admin", "api:use-streams-manage", "api:use-streams-read admin"]) {
      const answer = await server.post("/oauth2/token", { ...GRANT, scope }, auth);
      await expectError(answer, 400, "invalid_scope");
    }
  });

  test("F18: a wrong secret is 401 invalid_client with a Basic challenge, as is an unknown or disabled client", async () => {
    server.definitions.putApplication({ clientId: "off", project: "demo", isDisabled: true });
    const attempts = [
      server.post("/oauth2/token", GRANT, { authorization: basic("app", "wrong") }),
      server.post("/oauth2/token", GRANT, { authorization: basic("nobody") }),
      server.post("/oauth2/token", GRANT, { authorization: basic("off") }),
      server.post("/oauth2/token", GRANT, { authorization: "Basic ???" }),
      server.post("/oauth2/token", GRANT, { authorization: "Bearer abc" }),
      server.post("/oauth2/token", { ...GRANT, client_id: "app", client_secret: "wrong" }),
      server.post("/oauth2/token", { ...GRANT, client_id: "app" }),
      server.post("/oauth2/token", GRANT),
    ];
    for (const answer of await Promise.all(attempts)) {
      expect(answer.headers.get("www-authenticate")).toMatch(/^Basic realm="/);
      await expectError(answer, 401, "invalid_client");
    }
  });

  test("a body above 16 KiB answers 413", async () => {
    const answer = await server.post("/oauth2/token", `${"x=y&".repeat(4100)}a=b`, auth);
    await expectError(answer, 413, "invalid_request");
  });

  test("compressed forms are taken, bounded after inflation; unknown encodings are 415", async () => {
    const post = (body: Uint8Array<ArrayBuffer>, encoding: string) =>
      fetch(`${server.url}/oauth2/token`, {
        method: "POST",
        body,
        headers: {
          ...auth,
          "content-type": "application/x-www-form-urlencoded",
          "content-encoding": encoding,
        },
      });
    const form = Buffer.from("grant_type=client_credentials");
    const ways = { gzip: gzipSync, br: brotliCompressSync, zstd: zstdCompressSync };
    for (const [encoding, compress] of Object.entries(ways)) {
      const bomb = Buffer.from(compress(Buffer.alloc(10_000_000, "a")));
      expect((await post(Buffer.from(compress(form)), encoding)).status).toBe(200);
      await expectError(await post(bomb, encoding), 413, "invalid_request");
      await expectError(await post(form, encoding), 400, "invalid_request");
    }
    await expectError(await post(form, "compress"), 415, "invalid_request");
    await expectError(await post(form, "toString"), 415, "invalid_request");
  });

  test("credentials in the query count for nothing", async () => {
    const query = "?grant_type=client_credentials&client_id=app&client_secret=secret+of+app";
    await expectError(await server.post(`/oauth2/token${query}`, GRANT), 401, "invalid_client");
  });
});

test("check 15: Basic credentials are form-decoded", async () => {
  const secrets = ["a:b", "50%", "a+b", "a b", "grün ∑ 🔑", "%2B", "=&?#/"];
  for (const [index, secret] of secrets.entries()) {
    const clientId = `id${index}: + %/ü`;
    server.definitions.putApplication({
      clientId,
      project: "demo",
      secrets: [{ sha256: sha256(secret) }],
    });
    const authorization = basic(clientId, secret);
    const answer = await server.post("/oauth2/token", GRANT, { authorization });
    expect([secret, answer.status]).toEqual([secret, 200]);
  }
});

describe("check 16: the answer", () => {
  test("has Bearer, a number, the scope and no refresh token, and is never cached", async () => {
    const form = { ...GRANT, client_id: "app", client_secret: "secret of app", flavour: "any" };
    const answer = await server.post("/oauth2/token", form);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: "Bearer",
      expires_in: 900,
      scope: "api:use-streams-read api:use-streams-write",
    });
  });

  test("F16: has the scope that was asked for", async () => {
    const form = { ...GRANT, scope: "api:use-streams-read" };
    const answer = await server.post("/oauth2/token", form, { authorization: basic("app") });
    expect(await answer.json()).toMatchObject({ scope: "api:use-streams-read" });
  });
});

test("check 17: the token is what RFC 9068 wants", async () => {
  const token = await server.token("app");
  const keys = (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()) as {
    keys: { kid: string }[];
  };
  expect(decodeProtectedHeader(token)).toEqual({
    alg: "ES256",
    typ: "at+jwt",
    kid: keys.keys[0]?.kid,
  });
  const claims = decodeJwt(token);
  expect(claims).toEqual({
    iss: server.url,
    aud: server.url,
    sub: "projects/demo/applications/app",
    client_id: "app",
    scope: "api:use-streams-read api:use-streams-write",
    iat: expect.any(Number),
    exp: claims.iat! + 900,
    jti: expect.stringMatching(/^[a-z][a-z0-9]{19}$/),
  });
  expect(decodeJwt(await server.token("app")).jti).not.toBe(claims.jti);
});

describe("check 19: introspection", () => {
  const introspect = (token: string, clientId = "app") =>
    server.post("/oauth2/introspect", { token }, { authorization: basic(clientId) });

  test("tells the client of its own token", async () => {
    const token = await server.token("app");
    const answer = await introspect(token);
    expect(await answer.json()).toEqual({
      active: true,
      token_type: "Bearer",
      ...decodeJwt(token),
    });
  });

  test("refuses a caller that does not authenticate, and a question without a token", async () => {
    const token = await server.token("app");
    await expectError(await server.post("/oauth2/introspect", { token }), 401, "invalid_client");
    const empty = await server.post("/oauth2/introspect", {}, { authorization: basic("app") });
    await expectError(empty, 400, "invalid_request");
  });

  test("says exactly active: false of what is not active for the caller", async () => {
    server.definitions.putApplication({ clientId: "other", project: "demo" });
    const token = await server.token("app");
    const answers = [await introspect(token, "other"), await introspect("garbage")];
    answers.push(await introspect(`${token.slice(0, -4)}AAAA`));
    server.clockOffsetMs = 17 * 60_000;
    server.definitions.setFreshAt(Date.now() + server.clockOffsetMs);
    answers.push(await introspect(token));
    server.definitions.setFreshAt(undefined);
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('{"active":false}');
    }
  });
});

describe("check 20: revocation", () => {
  const revoke = (token: string, clientId = "app") =>
    server.post("/oauth2/revoke", { token }, { authorization: basic(clientId) });
  const isGood = (auth: AuthServer["auth"], token: string) =>
    auth.authenticator.authenticate({ authorization: [`Bearer ${token}`] }).then(
      () => true,
      () => false,
    );

  test("answers 200 for unknown tokens", async () => {
    for (const token of ["garbage", "a.b.c"]) expect((await revoke(token)).status).toBe(200);
  });

  test("of another client's token does nothing", async () => {
    server.definitions.putApplication({ clientId: "other", project: "demo" });
    const token = await server.token("app");
    await expectError(await revoke(token, "other"), 400, "invalid_grant");
    expect(await isGood(server.auth, token)).toBe(true);
  });

  test("counts at once on this node, within 5 s on another, and after a restart", async () => {
    const token = await server.token("app");
    const other = await server.openNode();
    expect(await isGood(server.auth, token)).toBe(true);
    expect(await isGood(other.auth, token)).toBe(true);
    expect((await revoke(token)).status).toBe(200);
    expect(await isGood(server.auth, token)).toBe(false);
    await expect.poll(() => isGood(other.auth, token), { timeout: 5_000 }).toBe(false);
    await other.close();
    const restarted = await server.openNode();
    expect(await isGood(restarted.auth, token)).toBe(false);
    await restarted.close();
    expect((await revoke(token)).status).toBe(200);
    const form = { token };
    const asked = await server.post("/oauth2/introspect", form, { authorization: basic("app") });
    expect(await asked.text()).toBe('{"active":false}');
  });
});

test("check 21: the metadata of an issuer with a path is at the path-inserted address", async () => {
  const { issueToken, desk, keys } = server.auth;
  const issuer = "https://example.com/tributary";
  const routes = createOAuth2Routes({
    ...{ issueToken, desk, keys },
    issuer: () => issuer,
    issuerPath: "/tributary",
  });
  const http = await listen(routes, () => "192.0.2.1");
  const { port } = http.address() as AddressInfo;
  const wellKnown = "/.well-known/oauth-authorization-server/tributary";
  const answer = await fetch(`http://127.0.0.1:${port}${wellKnown}`);
  expect(await answer.json()).toMatchObject({
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
  });
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

test("check 21: the metadata repeats the issuer and lists only what works", async () => {
  const answer = await fetch(`${server.url}/.well-known/oauth-authorization-server`);
  const metadata = (await answer.json()) as Record<string, unknown>;
  expect(metadata.issuer).toBe(server.url);
  expect(metadata.grant_types_supported).toEqual(["client_credentials"]);
  expect(metadata).not.toHaveProperty("authorization_endpoint");
  for (const [name, url] of Object.entries(metadata)) {
    if (name.endsWith("_endpoint")) expect((await fetch(String(url))).status).toBe(405);
  }
  expect(metadata.token_endpoint_auth_methods_supported).toEqual([
    ...["client_secret_basic", "client_secret_post", "private_key_jwt"],
  ]);
  for (const name of ["token_endpoint_auth_signing", "dpop_signing"]) {
    expect(metadata[`${name}_alg_values_supported`]).toEqual(PROOF_ALGORITHMS);
  }
  const keys = await (await fetch(String(metadata.jwks_uri))).text();
  expect(JSON.parse(keys)).toMatchObject({ keys: [{ kty: "EC", crv: "P-256", alg: "ES256" }] });
  expect(keys).not.toContain('"d"');
});

describe("check 24: guessing secrets", () => {
  const attempt = (secret: string, clientId = "app") =>
    server.post("/oauth2/token", GRANT, { authorization: basic(clientId, secret) });

  test("gets 429 after 10 wrong ones from an address; the good client elsewhere is not locked out", async () => {
    for (let i = 0; i < 10; i++) expect((await attempt(`guess ${i}`)).status).toBe(401);
    const refused = await attempt("secret of app");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    server.definitions.putApplication({ clientId: "other", project: "demo" });
    expect((await attempt("secret of other", "other")).status).toBe(200);
    server.callerAddress = "198.51.100.7";
    expect((await attempt("secret of app")).status).toBe(200);
    server.callerAddress = `192.0.2.${addresses}`;
    server.clockOffsetMs = 61_000;
    expect((await attempt("secret of app")).status).toBe(200);
  });
});

test("check 13: two live secrets work while one is rotated, and an ended one does not", async () => {
  const secrets = [
    { sha256: sha256("new") },
    { sha256: sha256("old"), endTimeMs: Date.now() + 30_000 },
    { sha256: sha256("ended"), endTimeMs: Date.now() - 1 },
  ];
  server.definitions.putApplication({ clientId: "app", project: "demo", secrets });
  const status = async (secret: string) =>
    (await server.post("/oauth2/token", GRANT, { authorization: basic("app", secret) })).status;
  expect([await status("new"), await status("old"), await status("ended")]).toEqual([
    200, 200, 401,
  ]);
});

test("tokens are refused, with 503, when definitions are older than 15 minutes", async () => {
  server.definitions.setFreshAt(Date.now() - 16 * 60_000);
  const answer = await server.post("/oauth2/token", GRANT, { authorization: basic("app") });
  server.definitions.setFreshAt(undefined);
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("5");
});

test("oauth4webapi discovers, gets a token both ways, introspects and revokes it", async () => {
  const issuer = new URL(server.url);
  const insecure = { [oauth.allowInsecureRequests]: true };
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  // The library's URL has a trailing slash that the issuer has not.
  const found = (await discovered.json()) as oauth.AuthorizationServer;
  expect(found.issuer).toBe(server.url);
  const client = { client_id: "app" };
  for (const way of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    const auth = way("secret of app");
    const answer = await oauth.processClientCredentialsResponse(
      found,
      client,
      await oauth.clientCredentialsGrantRequest(found, client, auth, {}, insecure),
    );
    expect(answer).toMatchObject({ token_type: "bearer", expires_in: 900 });
    const token = answer.access_token;
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        found,
        client,
        await oauth.introspectionRequest(found, client, auth, token, insecure),
      );
    expect((await introspect()).active).toBe(true);
    const revoked = await oauth.revocationRequest(found, client, auth, token, insecure);
    await oauth.processRevocationResponse(revoked);
    expect(await introspect()).toEqual({ active: false });
  }
  const wrong = await oauth.clientCredentialsGrantRequest(
    found,
    client,
    oauth.ClientSecretBasic("wrong"),
    {},
    insecure,
  );
  await expect(oauth.processClientCredentialsResponse(found, client, wrong)).rejects.toThrow();
  const request = new Request(server.url, {
    headers: { authorization: `Bearer ${await server.token("app")}` },
  });
  const claims = await oauth.validateJwtAccessToken(found, request, server.url, insecure);
  expect(claims.client_id).toBe("app");
});

test("check 10: no answer repeats a secret", async () => {
  const secret = createHash("sha256").update(String(addresses)).digest("hex");
  for (const form of [GRANT, { grant_type: secret }, { ...GRANT, scope: secret }]) {
    const answer = await server.post("/oauth2/token", form, {
      authorization: basic("app", secret),
    });
    expect(await answer.text()).not.toContain(secret);
  }
});

test("the routes answer over HTTP/2 as over HTTP/1.1", async () => {
  const h2 = createHttp2Server((request, response) => {
    const route = server.auth.routes.find((r) => r.path === request.url);
    void route?.handle(request, response, { remoteAddress: server.callerAddress });
  });
  await new Promise<void>((resolve) => h2.listen(0, "127.0.0.1", resolve));
  const session = connect(`http://127.0.0.1:${(h2.address() as AddressInfo).port}`);
  const ask = async (headers: OutgoingHttpHeaders, body: string) => {
    const stream = session.request({ ":path": "/oauth2/token", ...headers });
    stream.end(body);
    const [answer] = (await once(stream, "response")) as [IncomingHttpHeaders];
    return { answer, body: JSON.parse(await text(stream)) as Record<string, unknown> };
  };
  const form = {
    ":method": "POST",
    "content-type": "application/x-www-form-urlencoded",
    authorization: basic("app"),
  };
  const good = await ask(form, "grant_type=client_credentials");
  expect(good.answer[":status"]).toBe(200);
  expect(good.body).toMatchObject({ token_type: "Bearer", expires_in: 900 });
  const wrong = await ask({ ...form, authorization: basic("app", "x") }, "grant_type=x");
  expect(wrong.answer).toMatchObject({ ":status": 401, "cache-control": "no-store" });
  const large = await ask(form, `a=${"b".repeat(20_000)}`);
  expect(large.answer[":status"]).toBe(413);
  session.close();
  await new Promise((resolve) => h2.close(resolve));
});
