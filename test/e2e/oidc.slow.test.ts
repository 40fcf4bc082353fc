import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOidcFlowCookie } from "../../src/auth/oidc-flow.ts";
import { freePort } from "../support/free-port.ts";
import {
  type Browser,
  createBrowser,
  type OidcServer,
  startOidcServer,
} from "../support/oidc-server.ts";
import {
  launchServer,
  makeDataDir,
  removeData,
  startServer,
  type TestServer,
  waitFor,
} from "../support/server.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

const clientId = "tributary";
const clientSecret = "a secret: with % and +";
const masterKey = randomBytes(32);
const GET_ME = "/tributary.management.v1.AccountService/GetMe";
const accounts = {
  ada: { email: "Ada@example.com", email_verified: true, name: "Ada" },
  grace: { email: "grace@example.com", email_verified: true, name: "Grace" },
  edsger: { email: "edsger@example.com", email_verified: true, name: "Edsger" },
  liar: { email: "ada@example.com", email_verified: false, name: "Ada" },
  vague: { name: "Nobody" },
};

let server: TestServer;
let provider: OidcServer;
let sql: postgres.Sql;
let start: string;
let callback: string;

beforeAll(async () => {
  const port = await freePort();
  callback = `http://127.0.0.1:${port}/auth/oidc/callback`;
  start = `http://127.0.0.1:${port}/auth/oidc/start`;
  provider = await startOidcServer({
    ...{ clientId, clientSecret, accounts, redirectUri: callback, codeSeconds: 4 },
  });
  const databaseUrl = await createTestDatabase();
  sql = postgres(databaseUrl, { max: 1 });
  server = await startServer({
    port,
    env: {
      DATABASE_URL: databaseUrl,
      TRIBUTARY_MASTER_KEY: masterKey.toString("base64"),
      TRIBUTARY_DEMO: "1",
      TRIBUTARY_EGRESS_LOOPBACK: "1",
      TRIBUTARY_RATE_SIGN_IN: "0",
      TRIBUTARY_OIDC_ISSUER: provider.issuer,
      TRIBUTARY_OIDC_CLIENT_ID: clientId,
      TRIBUTARY_OIDC_CLIENT_SECRET: clientSecret,
      TRIBUTARY_OIDC_NAME: "Example ID",
    },
  });
});
afterAll(async () => {
  await server?.close();
  await provider?.close();
  await sql?.end();
});
/** Ada is the first person, and runs the installation. */
beforeEach(async () => {
  const [row] = await sql`SELECT count(*)::int AS count FROM tributary.persons`;
  if (row?.count === 0) await signIn(createBrowser(), "ada");
});

async function signIn(browser: Browser, login: string, returnTo = ""): Promise<Response> {
  return await browser.request(await browser.logIn(`${start}${returnTo}`, login, callback));
}

const getMe = async (browser: Browser) => {
  const answer = await browser.request(`${server.url}${GET_ME}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const body = (await answer.json()) as {
    person?: { email: string; name: string; displayName: string; operator?: boolean };
  };
  return { status: answer.status, person: body.person };
};

const setSignUp = (mode: string) => sql`
  INSERT INTO tributary.settings (name, value) VALUES ('sign_up', ${sql.json(mode)})
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`;

const expectRefused = async (browser: Browser, answer: Response, why: RegExp, status = 403) => {
  expect([answer.status, await answer.text()]).toEqual([status, expect.stringMatching(why)]);
  expect(answer.headers.getSetCookie().filter((line) => !/Max-Age=0/.test(line))).toEqual([]);
  expect((await getMe(browser)).status).toBe(401);
};

test("S02: where others reach the server, the first person may come from the provider, with the set-up token alone", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const own = await startOidcServer({
    ...{ clientId, clientSecret, accounts, codeSeconds: 30 },
    redirectUri: `${url}/auth/oidc/callback`,
  });
  const dataDir = makeDataDir();
  const { child, exited, output } = launchServer({
    ...{ dataDir, port },
    env: {
      ...{ HOST: "0.0.0.0", PUBLIC_URL: url, TRIBUTARY_TRUST_PROXY_TLS: "1" },
      ...{ DATABASE_URL: await createTestDatabase(), TRIBUTARY_EGRESS_ALLOW: "127.0.0.0/8" },
      TRIBUTARY_OIDC_ISSUER: own.issuer,
      TRIBUTARY_OIDC_CLIENT_ID: clientId,
      TRIBUTARY_OIDC_CLIENT_SECRET: clientSecret,
    },
  });
  try {
    await waitFor(() => /^ready/m.test(output()), { timeoutMs: 60_000, what: () => output() });
    const setupToken = readFileSync(join(dataDir, "setup.token"), "utf8").trim();
    const enter = async (query: string) => {
      const browser = createBrowser();
      const callbackUrl = `${url}/auth/oidc/callback`;
      const back = await browser.logIn(`${url}/auth/oidc/start${query}`, "ada", callbackUrl);
      return await browser.request(back);
    };
    for (const query of ["", "?setup_token=wrong"]) {
      const refused = await enter(query);
      expect(refused.status).toBe(403);
      expect(await refused.text()).toContain("set-up token");
    }
    expect((await enter(`?setup_token=${setupToken}`)).status).toBe(303);
    expect(output().split(setupToken)).toHaveLength(2);
  } finally {
    child.kill("SIGTERM");
    await exited;
    await own.close();
    await removeData(dataDir);
  }
}, 120_000);

describe("signing in", () => {
  test("the first person runs the installation, signed in by a session like any other", async () => {
    const browser = createBrowser();
    const answer = await signIn(browser, "ada", "?return_to=/projects%3Fx=1%23top");
    expect(answer.status).toBe(303);
    expect(answer.headers.get("location")).toBe(`${server.url}/projects?x=1#top`);
    expect(answer.headers.getSetCookie().join()).toMatch(/HttpOnly; SameSite=Lax/);
    expect(await getMe(browser)).toMatchObject({
      status: 200,
      person: { email: "ada@example.com", displayName: "Ada", operator: true },
    });
  });

  test("whoever signs in is told of the provider", async () => {
    const path = "/tributary.management.v1.AccountService/GetSignUpOptions";
    const answer = await server.post(path, {});
    expect(await answer.json()).toMatchObject({ externalProvider: "Example ID" });
  });

  test("the same subject is the same person, also with another address", async () => {
    const before = createBrowser();
    await signIn(before, "ada");
    const after = createBrowser();
    const { ada } = accounts;
    Object.assign(accounts, { ada: { ...ada, email: "lovelace@example.com" } });
    await signIn(after, "ada");
    Object.assign(accounts, { ada });
    expect((await getMe(after)).person?.name).toBe((await getMe(before)).person?.name);
  });

  test("a verified address leads to the account that has it; one with a password must be shown once", async () => {
    await setSignUp("OPEN");
    const password = "correct horse battery";
    const account = (rpc: string, body: object, browser: Browser) =>
      browser.request(`${server.url}/tributary.management.v1.AccountService/${rpc}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const squatter = createBrowser();
    const signedUp = await account("SignUp", { email: "grace@example.com", password }, squatter);
    expect(signedUp.status, await signedUp.clone().text()).toBe(200);
    const browser = createBrowser();
    await expectRefused(browser, await signIn(browser, "grace"), /sign in with the password once/);
    expect(
      (await account("SignIn", { email: "grace@example.com", password }, browser)).status,
    ).toBe(200);
    expect((await signIn(browser, "grace")).status).toBe(303);
    const elsewhere = createBrowser();
    expect((await signIn(elsewhere, "grace")).status).toBe(303);
    expect((await getMe(elsewhere)).person?.name).toBe((await getMe(squatter)).person?.name);
  });

  test("the sign-up setting holds: closed, by invitation, open", async () => {
    const browser = createBrowser();
    await setSignUp("CLOSED");
    await expectRefused(browser, await signIn(browser, "edsger"), /nobody can sign up/);
    await setSignUp("BY_INVITATION");
    await expectRefused(browser, await signIn(browser, "edsger"), /by invitation/);
    await sql`
      INSERT INTO tributary.invitations
      SELECT 'invitation', uid, 'edsger@example.com', 1, '\\x00', 'person:x', now(), now() + '1 day'
      FROM tributary.projects LIMIT 1`;
    expect((await signIn(browser, "edsger")).status).toBe(303);
    expect((await getMe(browser)).person).toMatchObject({ email: "edsger@example.com" });
    expect((await getMe(browser)).person?.operator ?? false).toBe(false);
  });

  test("a disabled person stays outside", async () => {
    await setSignUp("OPEN");
    const browser = createBrowser();
    await sql`UPDATE tributary.persons SET is_disabled = true WHERE email = 'edsger@example.com'`;
    await expectRefused(browser, await signIn(browser, "edsger"), /disabled/);
  });

  test("nobody is led to another site afterwards", async () => {
    for (const to of ["//evil.example", "/\\evil.example", "https://evil.example", "/%0d%0aa: b"]) {
      const browser = createBrowser();
      const answer = await signIn(browser, "ada", `?return_to=${encodeURIComponent(to)}`);
      expect(new URL(answer.headers.get("location") ?? "").origin).toBe(server.url);
    }
  });
});

test("check 34: sign-ins and their refusals are in the audit log, with their address", async () => {
  await waitFor(async () => {
    const rows = await sql`SELECT * FROM tributary.audit_events`;
    const values = rows.flatMap((row) => Object.values(row).map(String));
    const text = values.join("\n");
    return text.includes("sign-in with an external provider") && text.includes("SIGN_UP_REFUSED");
  });
});

describe("what is refused", () => {
  test("an address that the provider has not verified, and none", async () => {
    for (const login of ["liar", "vague"]) {
      const browser = createBrowser();
      await expectRefused(browser, await signIn(browser, login), /not say .* verified/);
    }
  });

  test("another state, no state, and a callback in another browser", async () => {
    const browser = createBrowser();
    const answer = new URL(await browser.logIn(start, "ada", callback));
    const cookies = new Map(browser.cookies(callback));
    for (const state of ["other", ""]) {
      const url = new URL(answer);
      url.searchParams.set("state", state);
      await expectRefused(browser, await browser.request(url.href), /not begun in this browser/);
      for (const [name, value] of cookies) browser.cookies(callback).set(name, value);
    }
    const other = createBrowser();
    await expectRefused(other, await other.request(answer.href), /not begun in this browser/);
  });

  test("a code that has expired", async () => {
    const browser = createBrowser();
    const answer = await browser.logIn(start, "ada", callback);
    // The provider's codes last 4 s: only its clock ends them.
    await delay(5_000);
    await expectRefused(browser, await browser.request(answer), /not take its code/);
  });

  test("the same answer twice, also with its cookie", async () => {
    const browser = createBrowser();
    const answer = await browser.logIn(start, "ada", callback);
    const cookies = new Map(browser.cookies(callback));
    expect((await browser.request(answer)).status).toBe(303);
    const thief = createBrowser();
    for (const [name, value] of cookies) thief.cookies(callback).set(name, value);
    await expectRefused(thief, await thief.request(answer), /used already/);
  });

  test("an ID token whose nonce, or a code whose verifier, is of another sign-in", async () => {
    const flows = createOidcFlowCookie({ masterKey, isSecure: false, now: Date.now });
    for (const change of [{ nonce: "of another" }, { codeVerifier: "v".repeat(43) }]) {
      const browser = createBrowser();
      const answer = await browser.logIn(start, "ada", callback);
      const [[name, value] = ["", ""]] = browser.cookies(callback);
      const flow = flows.read(`${name}=${value}`)!;
      const [changed = ""] = flows.issue({ ...flow, ...change }).split(";", 1);
      browser.cookies(callback).set(name, changed.slice(name.length + 1));
      await expectRefused(browser, await browser.request(answer), /not fit|not take its code/);
    }
  });

  test("an answer that names another issuer", async () => {
    const browser = createBrowser();
    const url = new URL(await browser.logIn(start, "ada", callback));
    expect(url.searchParams.get("iss")).toBe(provider.issuer);
    url.searchParams.set("iss", "https://evil.example");
    await expectRefused(browser, await browser.request(url.href), /not fit/);
  });

  test("an error of the provider, such as a person who turns back", async () => {
    const browser = createBrowser();
    const first = await browser.request(start);
    const location = new URL(first.headers.get("location") ?? "");
    expect(location.searchParams.get("code_challenge_method")).toBe("S256");
    const page = await browser.follow(location.href, `${provider.issuer}/interaction/`);
    const aborted = await browser.follow(`${page}/abort`, callback);
    await expectRefused(browser, await browser.request(aborted), /the provider refused it/);
  });

  test("a cookie that was changed", async () => {
    const browser = createBrowser();
    const answer = await browser.logIn(start, "ada", callback);
    const [[name, value] = ["", ""]] = browser.cookies(callback);
    browser.cookies(callback).set(name, `${value.slice(0, -4)}AAAA`);
    await expectRefused(browser, await browser.request(answer), /not begun in this browser/);
  });
});

test("check 10: neither the secret, nor a code, nor a state is in what the server printed", async () => {
  const browser = createBrowser();
  const answer = new URL(await browser.logIn(start, "ada", callback));
  await browser.request(answer.href);
  for (const secret of [clientSecret, ...answer.searchParams.values()]) {
    if (secret !== provider.issuer) expect(server.output()).not.toContain(secret);
  }
});
