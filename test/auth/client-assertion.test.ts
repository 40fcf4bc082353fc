import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ASSERTION_TYPE } from "../../src/auth/client-assertion.ts";
import { PROOF_ALGORITHMS } from "../../src/core/public-jwk.ts";
import { type AuthServer, basic, startAuthServer } from "./support/auth-server.ts";
import { type ClientKey, makeClientKey, signAssertion } from "./support/keys.ts";

let server: AuthServer;
const key = makeClientKey("ES256", "one");
let addresses = 0;

beforeAll(async () => {
  server = await startAuthServer();
});
afterAll(() => server.close());
beforeEach(() => {
  addresses++;
  server.callerAddress = `192.0.2.${addresses}`;
  server.definitions.putApplication({ clientId: "app", project: "demo", publicKeys: [key.jwk] });
});

const sign = (changes: Partial<Parameters<typeof signAssertion>[1]> = {}, by: ClientKey = key) =>
  signAssertion(by, { clientId: "app", audience: server.url, ...changes });

async function ask(assertion: string, more: Record<string, string> = {}, path = "/oauth2/token") {
  const answer = await server.post(path, {
    grant_type: "client_credentials",
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...more,
  });
  const body = (await answer.json()) as Record<string, unknown>;
  return { status: answer.status, error: body.error, description: String(body.error_description) };
}
const good = { status: 200, error: undefined };
const refused = { status: 401, error: "invalid_client" };

test("check 22: an assertion of a registered key gets a token, in every algorithm offered", async () => {
  for (const alg of PROOF_ALGORITHMS) {
    const own = makeClientKey(alg, `kid ${alg}`);
    server.definitions.putApplication({
      clientId: "app",
      project: "demo",
      publicKeys: [key.jwk, own.jwk],
    });
    expect({ alg, ...(await ask(await sign({}, own))) }).toMatchObject({ alg, ...good });
  }
});

test("check 22: the token endpoint counts as audience for older clients, client_id may be given", async () => {
  const audience = `${server.url}/oauth2/token`;
  expect(await ask(await sign({ audience }))).toMatchObject(good);
  expect(await ask(await sign(), { client_id: "app" })).toMatchObject(good);
  expect(await ask(await sign(), { client_id: "other" })).toMatchObject({ status: 400 });
});

test("check 22: each fault of an assertion is invalid_client, and says what to mend", async () => {
  const now = Math.floor(Date.now() / 1000);
  const faults: Record<string, Parameters<typeof sign>[0]> = {
    "aud another server": { audience: "https://other.example" },
    "aud a list": { claims: { aud: [server.url] } },
    "aud two": { claims: { aud: [server.url, "https://other.example"] } },
    "aud missing": { claims: { aud: undefined } },
    "iss another": { claims: { iss: "other" } },
    "iss missing": { claims: { iss: undefined } },
    "sub missing": { claims: { sub: undefined } },
    "exp missing": { claims: { exp: undefined } },
    "exp past": { claims: { exp: now - 61 } },
    "exp text": { claims: { exp: String(now + 60) } },
    "exp an hour ahead": { claims: { exp: now + 3600 } },
    "nbf ahead": { claims: { nbf: now + 120 } },
    "iat ahead": { claims: { iat: now + 120 } },
    "jti missing": { claims: { jti: undefined } },
    "jti empty": { claims: { jti: "" } },
    "jti long": { claims: { jti: "x".repeat(257) } },
    "kid unknown": { header: { kid: "two" } },
  };
  for (const [name, changes] of Object.entries(faults)) {
    const { description, ...answer } = await ask(await sign(changes));
    expect({ name, ...answer }).toEqual({ name, ...refused });
    expect(description).toMatch(
      /^(the client assertion is not taken: .{9}|unknown client, an asser)/,
    );
    server.callerAddress = `198.51.100.${Object.keys(faults).indexOf(name)}`;
  }
});

test("check 22: a foreign key, no key, no signature and a shared secret are refused", async () => {
  const [head = "", claims = ""] = (await sign()).split(".");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  const attempts = [
    await sign({}, makeClientKey("ES256", "one")),
    `${none}.${claims}.`,
    `${head}.${claims}.`,
    `${head}.${claims}.AAAA`,
    "a.b.c",
    "nonsense",
  ];
  for (const attempt of attempts) expect(await ask(attempt)).toMatchObject(refused);
  server.definitions.putApplication({ clientId: "app", project: "demo" });
  expect(await ask(await sign())).toMatchObject(refused);
  expect(await ask(await sign(), { client_assertion_type: "urn:other" })).toMatchObject(refused);
  const both = await ask(await sign(), { client_secret: "secret of app" });
  expect(both).toMatchObject({ status: 400, error: "invalid_request" });
});

test("check 22: a used assertion is refused on this node, on another, and after a restart", async () => {
  const assertion = await sign();
  expect(await ask(assertion)).toMatchObject(good);
  expect(await ask(assertion)).toMatchObject(refused);
  expect((await ask(assertion)).description).toContain("used before");
  const other = await server.openNode();
  const answer = await fetch(`${other.url}/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion,
    }),
  });
  expect(answer.status).toBe(401);
  await other.close();
  const twice = await sign();
  const statuses = await Promise.all([ask(twice), ask(twice), ask(twice), ask(twice)]);
  expect(statuses.filter((each) => each.status === 200)).toHaveLength(1);
});

test("check 22: the jti of one client is not that of another", async () => {
  server.definitions.putApplication({ clientId: "b", project: "demo", publicKeys: [key.jwk] });
  const claims = { jti: "same" };
  expect(await ask(await sign({ claims }))).toMatchObject(good);
  expect(await ask(await sign({ clientId: "b", claims }))).toMatchObject(good);
  expect(await ask(await sign({ claims }))).toMatchObject(refused);
});

test("check 22: an application may refuse its secrets, and its assertions work on", async () => {
  server.definitions.putApplication({
    clientId: "app",
    project: "demo",
    publicKeys: [key.jwk],
    isSecretRefused: true,
  });
  const grant = { grant_type: "client_credentials" };
  const answer = await server.post("/oauth2/token", grant, { authorization: basic("app") });
  expect(answer.status).toBe(401);
  expect(await ask(await sign())).toMatchObject(good);
});

test("check 22: oauth4webapi gets, introspects and revokes a token with private_key_jwt", async () => {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(server.url);
  const found = (await (
    await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure })
  ).json()) as oauth.AuthorizationServer;
  const pair = await oauth.generateKeyPair("ES256");
  const jwk = { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "web" };
  server.definitions.putApplication({ clientId: "app", project: "demo", publicKeys: [jwk] });
  const client = { client_id: "app" };
  const auth = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: "web" });
  const { access_token: token } = await oauth.processClientCredentialsResponse(
    found,
    client,
    await oauth.clientCredentialsGrantRequest(found, client, auth, {}, insecure),
  );
  const introspect = async () =>
    oauth.processIntrospectionResponse(
      found,
      client,
      await oauth.introspectionRequest(found, client, auth, token, insecure),
    );
  expect((await introspect()).active).toBe(true);
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(found, client, auth, token, insecure),
  );
  expect(await introspect()).toEqual({ active: false });
});
