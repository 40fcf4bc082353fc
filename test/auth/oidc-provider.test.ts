import { expect, onTestFinished, test } from "vitest";
import { createOidcProvider } from "../../src/auth/oidc-provider.ts";
import { createEgressGuard } from "../../src/sinks/egress.ts";
import { createGuardedFetch } from "../../src/sinks/guarded-fetch.ts";
import { startOidcServer } from "../support/oidc-server.ts";

const client = { clientId: "a", clientSecret: "b", redirectUri: "http://127.0.0.1:1/callback" };
const flow = { state: "s", nonce: "n", codeVerifier: "v".repeat(43), returnTo: "/", endMs: 0 };

async function useProvider({ issuer = "", isLoopbackAllowed = true }) {
  const server = await startOidcServer({ ...client, accounts: {} });
  onTestFinished(server.close);
  const guard = createEgressGuard({ isLoopbackAllowed, egressAllowList: [] });
  return createOidcProvider({
    ...client,
    issuer: issuer.replace("{port}", new URL(server.issuer).port) || server.issuer,
    redirectUri: () => client.redirectUri,
    fetch: createGuardedFetch(guard),
    now: Date.now,
  });
}

test("a provider that names itself otherwise than the operator did is refused", async () => {
  const provider = await useProvider({ issuer: "http://localhost:{port}" });
  await expect(provider.authorizationUrl(flow)).rejects.toThrow(/issuer/i);
});

test("check 27: the provider is asked through the egress guard", async () => {
  const provider = await useProvider({ isLoopbackAllowed: false });
  await expect(provider.authorizationUrl(flow)).rejects.toThrow(/may not reach/);
});

test("people are sent to the provider with PKCE, state and nonce", async () => {
  const url = await (await useProvider({})).authorizationUrl(flow);
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    client_id: "a",
    response_type: "code",
    scope: "openid email profile",
    state: "s",
    nonce: "n",
    code_challenge_method: "S256",
    redirect_uri: client.redirectUri,
  });
});
