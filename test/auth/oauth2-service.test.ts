import {
  type Client,
  ConnectError,
  createClient,
  createRouterTransport,
} from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OAuth2Service } from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { type AuthServer, basic, startAuthServer } from "./support/auth-server.ts";

let server: AuthServer;
let client: Client<typeof OAuth2Service>;
const CREDENTIALS = { clientId: "app", clientSecret: "secret of app" };
const GRANT = { grantType: "client_credentials" };

beforeAll(async () => {
  server = await startAuthServer();
  const { service } = server.auth;
  client = createClient(
    OAuth2Service,
    createRouterTransport((router) => router.service(OAuth2Service, service)),
  );
  server.definitions.putApplication({ clientId: "app", project: "demo" });
  server.definitions.putApplication({
    clientId: "off",
    project: "demo",
    isClientCredentialsEnabled: false,
  });
});
afterAll(() => server.close());

async function refusalOf(call: Promise<unknown>) {
  const error = ConnectError.from(await call.catch((e: unknown) => e));
  return { reason: reasonOf(error), text: error.rawMessage, headers: error.metadata };
}

test("a token is issued for fields and for a Basic header, introspected and revoked", async () => {
  const headers = { authorization: basic("app") };
  await client.issueToken(GRANT, { headers });
  const issued = await client.issueToken({ ...GRANT, ...CREDENTIALS });
  expect(issued).toMatchObject({ tokenType: "Bearer", expiresIn: 900 });
  const token = issued.accessToken;
  const claims = decodeJwt(token);
  const found = await client.introspectToken({ token, ...CREDENTIALS });
  expect(found).toMatchObject({ active: true, clientId: "app", jti: claims.jti, sub: claims.sub });
  expect(found.exp).toBe(BigInt(claims.exp!));
  await client.revokeToken({ token, ...CREDENTIALS });
  await client.revokeToken({ token: "unknown", ...CREDENTIALS });
  const gone = await client.introspectToken({ token, ...CREDENTIALS });
  expect({ ...gone }).toMatchObject({ active: false, clientId: "", jti: "", exp: 0n });
});

test("each refusal of RFC 6749 has its reason, and its name in the text", async () => {
  const cases: [object, string, string][] = [
    [{ ...GRANT, clientId: "app", clientSecret: "x" }, "CLIENT_INVALID", "invalid_client"],
    [{ ...GRANT }, "CLIENT_INVALID", "invalid_client"],
    [{ ...CREDENTIALS }, "INVALID_FIELDS", "invalid_request"],
    [{ ...CREDENTIALS, grantType: "password" }, "INVALID_FIELDS", "unsupported_grant_type"],
    [{ ...GRANT, ...CREDENTIALS, scope: "admin" }, "INVALID_FIELDS", "invalid_scope"],
    [
      { ...GRANT, clientId: "off", clientSecret: "secret of off" },
      "GRANT_TYPE_OFF",
      "unauthorized_client",
    ],
  ];
  for (const [request, reason, code] of cases) {
    const refusal = await refusalOf(client.issueToken(request));
    expect([code, refusal.reason]).toEqual([code, reason]);
    expect(refusal.text.startsWith(`${code}: `)).toBe(true);
    const challenge = refusal.headers.get("www-authenticate") ?? "";
    expect(challenge.startsWith("Basic ")).toBe(code === "invalid_client");
  }
});

test("metadata and keys are those of the HTTP routes", async () => {
  const read = async (path: string) => (await fetch(server.url + path)).json();
  const { metadata } = await client.getServerMetadata({});
  expect(metadata).toEqual(await read("/.well-known/oauth-authorization-server"));
  const { keys } = await client.getJsonWebKeySet({});
  expect({ keys }).toEqual(await read("/.well-known/jwks.json"));
});
