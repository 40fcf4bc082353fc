import { createHash, randomBytes, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createDpopNonces } from "../../src/auth/dpop-nonce.ts";
import { createSeenProofs } from "../../src/auth/seen-proofs.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { PROOF_ALGORITHMS } from "../../src/core/public-jwk.ts";
import { type AuthNode, type AuthServer, basic, startAuthServer } from "./support/auth-server.ts";
import { makeClientKey, type ProofParts, type SignedParts, signProof } from "./support/keys.ts";

let server: AuthServer;
/** As the server offers it. */
let nonce: string;
const key = makeClientKey();
const other = makeClientKey();

beforeAll(async () => {
  server = await startAuthServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  server.definitions.putApplication({ clientId: "app", project: "demo" });
  nonce = await askNonce();
});

/** What a client without a nonce is told. */
async function askNonce(): Promise<string> {
  const dpop = await signProof(key, { url: tokenUrl() });
  const answer = await post({ dpop });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: "use_dpop_nonce" });
  return answer.headers.get("dpop-nonce") ?? "";
}

function post(headers: Record<string, string>): Promise<Response> {
  const form = { grant_type: "client_credentials" };
  return server.post("/oauth2/token", form, { authorization: basic("app"), ...headers });
}

async function ask(headers: Record<string, string>): Promise<Record<string, unknown>> {
  const answer = await post(headers);
  return { status: answer.status, ...((await answer.json()) as object) };
}
const tokenUrl = () => `${server.url}/oauth2/token`;
const prove = (changes: ProofParts = {}) => signProof(key, { url: tokenUrl(), nonce, ...changes });

async function boundToken(): Promise<string> {
  return String((await ask({ dpop: await prove() })).access_token);
}

describe("check 23: at the token endpoint", () => {
  test("a proof binds the token to its key", async () => {
    const answer = await ask({ dpop: await prove() });
    expect(answer).toMatchObject({ status: 200, token_type: "DPoP" });
    const jkt = await calculateJwkThumbprint(key.jwk);
    expect(decodeJwt(String(answer.access_token)).cnf).toEqual({ jkt });
    const asked = await server.post(
      "/oauth2/introspect",
      { token: String(answer.access_token) },
      { authorization: basic("app") },
    );
    expect(await asked.json()).toMatchObject({ active: true, token_type: "DPoP", cnf: { jkt } });
  });

  test("a key of every algorithm offered is taken", async () => {
    for (const alg of PROOF_ALGORITHMS) {
      const dpop = await signProof(makeClientKey(alg), { url: tokenUrl(), nonce });
      expect({ alg, ...(await ask({ dpop })) }).toMatchObject({ alg, status: 200 });
    }
  });

  test("htu counts without query, in any spelling of the same address", async () => {
    const spelled = server.url.replace("http://", "HTTP://");
    for (const htu of [`${tokenUrl()}?a=b#c`, `${spelled}/oauth2/./token`]) {
      expect(await ask({ dpop: await prove({ claims: { htu } }) })).toMatchObject({ status: 200 });
    }
  });

  test("each fault of a proof is invalid_dpop_proof", async () => {
    const now = Math.floor(Date.now() / 1000);
    const secret = { ...key.jwk, d: "AAAA" };
    const faults: Record<string, SignedParts> = {
      "typ JWT": { header: { typ: "JWT" } },
      "jwk missing": { header: { jwk: undefined } },
      "jwk private": { header: { jwk: secret } },
      "jwk symmetric": { header: { jwk: { kty: "oct", k: "AAAA" } } },
      "jwk another": { header: { jwk: other.jwk } },
      "htm GET": { claims: { htm: "GET" } },
      "htm missing": { claims: { htm: undefined } },
      "htu another host": { claims: { htu: "https://other.example/oauth2/token" } },
      "htu another path": { claims: { htu: `${server.url}/oauth2/introspect` } },
      "htu missing": { claims: { htu: undefined } },
      "iat old": { claims: { iat: now - 62 } },
      "iat ahead": { claims: { iat: now + 63 } },
      "iat missing": { claims: { iat: undefined } },
      "iat text": { claims: { iat: String(now) } },
      "jti missing": { claims: { jti: undefined } },
      "jti long": { claims: { jti: "x".repeat(257) } },
    };
    for (const [name, changes] of Object.entries(faults)) {
      const { status, error } = await ask({ dpop: await prove(changes) });
      expect({ name, status, error }).toEqual({ name, status: 400, error: "invalid_dpop_proof" });
    }
    for (const dpop of ["nonsense", `${await prove()}, ${await prove()}`]) {
      expect(await ask({ dpop })).toMatchObject({ status: 400, error: "invalid_dpop_proof" });
    }
  });

  test("a proof without a nonce, with one made up, of another server or older than a minute is answered with one to use", async () => {
    const [node = "", window = "", mark = ""] = nonce.split(".");
    const foreign = createDpopNonces(randomBytes(32), Date.now).offer();
    for (const wrong of [undefined, "", "x", foreign, `${node}.${window}0.${mark}`, 5]) {
      const answer = await post({ dpop: await prove({ claims: { nonce: wrong } }) });
      const { error } = (await answer.json()) as { error: string };
      expect({ wrong, error }).toEqual({ wrong, error: "use_dpop_nonce" });
      expect(answer.headers.get("dpop-nonce")).toMatch(/^[!#-[\]-~]{1,64}$/);
    }
    const good = await post({ dpop: await prove() });
    expect([good.status, good.headers.get("dpop-nonce")]).toEqual([200, expect.any(String)]);
    server.clockOffsetMs = 61_000;
    const iat = Math.floor(Date.now() / 1000) + 61;
    expect(await ask({ dpop: await prove({ claims: { iat } }) })).toMatchObject({
      status: 400,
      error: "use_dpop_nonce",
    });
    server.clockOffsetMs = 0;
  });

  test("a used proof is refused, also by another node", async () => {
    const dpop = await prove();
    expect(await ask({ dpop })).toMatchObject({ status: 200 });
    expect(await ask({ dpop })).toMatchObject({ status: 400, error: "invalid_dpop_proof" });
    const node = await server.openNode();
    const answer = await fetch(`${node.url}/oauth2/token`, {
      method: "POST",
      headers: { authorization: basic("app"), dpop },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });
    expect(answer.status).toBe(400);
    await node.close();
  });

  test("an application may demand it", async () => {
    server.definitions.putApplication({ clientId: "app", project: "demo", isDpopRequired: true });
    expect(await ask({})).toMatchObject({ status: 400, error: "invalid_dpop_proof" });
    expect(await ask({ dpop: await prove() })).toMatchObject({ status: 200, token_type: "DPoP" });
  });
});

describe("check 23: at a call", () => {
  const url = "http://127.0.0.1/v1/projects/demo";
  const ath = (token: string) => createHash("sha256").update(token).digest("base64url");

  interface Refusal {
    readonly reason: string | undefined;
    readonly challenge: string | null;
    readonly nonce: string | null;
  }

  async function refusalOf(
    authorization: string,
    proofs: readonly string[],
    on: AuthNode = server,
  ): Promise<Refusal | undefined> {
    try {
      await on.auth.authenticator.authenticate({
        authorization: [authorization],
        proven: { proofs, method: "GET", url },
      });
      return undefined;
    } catch (error) {
      const { metadata } = error as { metadata: Headers };
      return {
        reason: reasonOf(error),
        challenge: metadata.get("www-authenticate"),
        nonce: metadata.get("dpop-nonce"),
      };
    }
  }
  const proofFor = (token: string, changes: ProofParts = {}, by = key) =>
    signProof(by, {
      method: "GET",
      url,
      nonce,
      ...changes,
      claims: { ath: ath(token), ...changes.claims },
    });

  test("a bound token with a proof is taken, once for each proof", async () => {
    const token = await boundToken();
    const proof = await proofFor(token);
    expect(await refusalOf(`DPoP ${token}`, [proof])).toBeUndefined();
    expect(await refusalOf(`DPoP ${token}`, [await proofFor(token)])).toBeUndefined();
    const again = await refusalOf(`DPoP ${token}`, [proof]);
    expect(again?.challenge).toMatch(/^DPoP .*error="invalid_dpop_proof".*algs="ES256 /);
  });

  test("a proof without a nonce is 401 use_dpop_nonce with the one to use, which is then taken", async () => {
    const token = await boundToken();
    const bare = await refusalOf(`DPoP ${token}`, [await proofFor(token, { nonce: undefined })]);
    expect(bare?.challenge).toMatch(/^DPoP .*error="use_dpop_nonce"/);
    const next = await proofFor(token, { nonce: bare?.nonce ?? "" });
    expect(await refusalOf(`DPoP ${token}`, [next])).toBeUndefined();
  });

  test("a proof for one node is of no use at another that cannot ask it, used or not", async () => {
    const token = await boundToken();
    const node = await server.openNode();
    const proof = await proofFor(token);
    expect(await refusalOf(`DPoP ${token}`, [proof])).toBeUndefined();
    for (const each of [proof, await proofFor(token)]) {
      const refusal = await refusalOf(`DPoP ${token}`, [each], node);
      expect(refusal?.challenge).toContain('error="use_dpop_nonce"');
    }
    await node.close();
  });

  test("a bound token sent as Bearer is refused with 401, also after it was taken as DPoP", async () => {
    const token = await boundToken();
    expect(await refusalOf(`DPoP ${token}`, [await proofFor(token)])).toBeUndefined();
    for (let i = 0; i < 2; i++) {
      const refusal = await refusalOf(`Bearer ${token}`, [await proofFor(token)]);
      expect(refusal?.reason).toBe("TOKEN_INVALID");
      expect(refusal?.challenge).toContain('error="invalid_token"');
    }
    expect(server.auth.authenticator.recall(`DPoP ${token}`)).toBeUndefined();
    const without = server.auth.authenticator.authenticate({ authorization: [`DPoP ${token}`] });
    await expect(without).rejects.toThrow();
  });

  test("a token that is bound to nothing is refused as DPoP", async () => {
    const token = await server.token("app");
    const refusal = await refusalOf(`DPoP ${token}`, [await proofFor(token)]);
    expect(refusal?.challenge).toContain('error="invalid_token"');
  });

  test("each fault of a proof, and another's key, are 401", async () => {
    const token = await boundToken();
    const faults: Record<string, string[]> = {
      none: [],
      two: [await proofFor(token), await proofFor(token)],
      "another key": [await proofFor(token, {}, other)],
      "ath missing": [await proofFor(token, { claims: { ath: undefined } })],
      "ath of another token": [await proofFor(token, { claims: { ath: ath("other") } })],
      "htm another": [await proofFor(token, { claims: { htm: "POST" } })],
      "htu another": [await proofFor(token, { claims: { htu: `${url}/streams` } })],
      "iat old": [await proofFor(token, { claims: { iat: Math.floor(Date.now() / 1000) - 62 } })],
    };
    for (const [name, proofs] of Object.entries(faults)) {
      const refusal = await refusalOf(`DPoP ${token}`, proofs);
      expect({ name, reason: refusal?.reason }).toEqual({ name, reason: "TOKEN_INVALID" });
    }
  });

  test("proofs are remembered for as long as they count, and within a bound", () => {
    let nowMs = 0;
    const see = createSeenProofs(() => nowMs, 2);
    const use = (jti: string) => see({ owner: "key", jti, endMs: nowMs + 1_000 });
    expect([use("a"), use("a"), use("b"), use("c")]).toEqual(["new", "seen", "new", "full"]);
    nowMs = 1_000;
    expect([use("c"), use("a")]).toEqual(["new", "new"]);
  });
});

test("check 23: oauth4webapi gets a bound token and proves it to the calls that it makes", async () => {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const found = (await (
    await oauth.discoveryRequest(new URL(server.url), { algorithm: "oauth2", ...insecure })
  ).json()) as oauth.AuthorizationServer;
  expect(found.dpop_signing_alg_values_supported).toContain("ES256");
  const client: oauth.Client = { client_id: "app" };
  const ask = async () =>
    oauth.processClientCredentialsResponse(
      found,
      client,
      await oauth.clientCredentialsGrantRequest(
        found,
        client,
        oauth.ClientSecretBasic("secret of app"),
        {},
        { DPoP, ...insecure },
      ),
    );
  const pair = await oauth.generateKeyPair("ES256", { extractable: false });
  const DPoP = oauth.DPoP(client, pair);
  const refused = await ask().catch((error: unknown) => error);
  expect(oauth.isDPoPNonceError(refused)).toBe(true);
  const answer = await ask();
  expect(answer.token_type).toBe("dpop");
  const caller = await callerOfRequest(answer.access_token, DPoP);
  expect(caller).toMatchObject({ kind: "application", id: "app" });
});

/** What the authenticator says of the headers that the library sends. */
async function callerOfRequest(token: string, DPoP: oauth.DPoPHandle) {
  // The library keeps nonces by origin.
  const url = new URL(`${server.url}/v1/${randomUUID()}`);
  let sent: Headers | undefined;
  await oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, {
    DPoP,
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: async (_url, { headers }) => {
      sent = new Headers(headers);
      return new Response();
    },
  });
  return server.auth.authenticator.authenticate({
    authorization: [sent?.get("authorization") ?? ""],
    proven: { proofs: [sent?.get("dpop") ?? ""], method: "GET", url: url.href },
  });
}
