import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAccessTokens } from "../../src/auth/access-token.ts";
import {
  authorizationHeaders,
  checkCredentials,
  createAuthenticator,
} from "../../src/auth/authenticate.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { type AuthServer, basic, startAuthServer } from "./support/auth-server.ts";
import { badTokens, forgeToken, type TokenChanges, type TokenMint } from "./support/bad-tokens.ts";

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
const forge = (changes: TokenChanges) => forgeToken(mint(), changes);

function mint(): TokenMint {
  const { kid, privateKey } = server.auth.keys.signer();
  const publicJwk = server.auth.keys.publicKeys()[0]!;
  return {
    issuer: server.url,
    clientId: "app",
    subject: "projects/demo/applications/app",
    kid,
    privateKey,
    publicJwk,
  };
}

describe("E13, check 17: bad input 60", () => {
  test("every bad token gets the same 401, within 5 ms", async () => {
    expect(await refusalOf([`Bearer ${await forge({})}`])).toBeUndefined();
    const tokens = await badTokens(mint());
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
