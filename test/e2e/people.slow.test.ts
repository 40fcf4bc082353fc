import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createStream } from "../support/api.ts";
import { type Browser, createBrowser, refusalOf } from "../support/browser.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { type TestServer, waitFor } from "../support/server.ts";

const PASSWORD = "correct horse battery";
const ADA = { email: "ada@example.com", password: PASSWORD };

interface Me {
  person: { name: string; email: string; displayName: string; operator?: boolean; etag: string };
  csrfToken: string;
  memberships?: { project: string; displayName: string; role?: string }[];
}

let cluster: Cluster;
let first: TestServer;
let second: TestServer;
let ada: Browser;
/** Takes the mails of the second node; the first one sends none. */
let mail: MailServer;

beforeAll(async () => {
  cluster = await startCluster();
  const TRUSTED_PROXIES = "127.0.0.0/8";
  first = await cluster.startNode({ env: { TRUSTED_PROXIES } });
  mail = await startMailServer();
  const SMTP_URL = `smtp://127.0.0.1:${mail.port}?from=tributary@example.org`;
  second = await cluster.startNode({ env: { PUBLIC_URL: first.url, SMTP_URL, TRUSTED_PROXIES } });
  ada = createBrowser(first.url);
});
afterAll(async () => {
  await cluster?.close();
  await mail?.close();
});

const me = (browser: Browser) => browser.call<Me>("AccountService/GetMe");

async function signIn(account: { email: string; password: string }): Promise<Browser> {
  const browser = createBrowser(first.url);
  await browser.call("AccountService/SignIn", account);
  return browser;
}

/** As a proxy in front would say it. */
const from = (address: string) => ({ "x-forwarded-for": address });
let invitedCount = 0;

/** Signs up somebody whom ada invites to a project. */
async function invited(email: string, project: string, role: string): Promise<Browser> {
  const { link } = await ada.call<{ link: string }>("AccountService/CreateInvitation", {
    parent: project,
    invitation: { email, role },
  });
  const browser = createBrowser(first.url, from(`198.51.100.${++invitedCount}`));
  await browser.call("AccountService/AcceptInvitation", {
    token: tokenOf(link),
    password: PASSWORD,
  });
  return browser;
}

const tokenOf = (link: string) => link.slice(link.indexOf("#invitation=") + "#invitation=".length);

test("S02: an empty installation offers sign-up, which ends signed in as operator and owner of a first project", async () => {
  const options = await ada.fetch("/v1/account:signUpOptions");
  expect(await options.json()).toEqual({ mode: "FIRST_PERSON" });
  const answer = await ada.fetch("/v1/account:signUp", {
    method: "POST",
    body: JSON.stringify({ ...ADA, email: "Ada@Example.com", projectDisplayName: "Wind farm" }),
  });
  const body = (await answer.json()) as Me & { project: string };
  expect(answer.status).toBe(200);
  expect(body).toMatchObject({ person: { email: ADA.email, displayName: "ada", operator: true } });
  expect(body.project).toBe("projects/wind-farm");
  const mine = await me(ada);
  expect(mine.memberships).toEqual([
    { project: "projects/wind-farm", displayName: "Wind farm", role: "OWNER" },
  ]);
  expect(mine.csrfToken).toBe(body.csrfToken);
});

test("S02: the same e-mail address again is ALREADY_EXISTS, however it is written; others need an invitation", async () => {
  const browser = createBrowser(first.url);
  const again = browser.call("AccountService/SignUp", { ...ADA, email: "ADA@example.com" });
  expect(await refusalOf(again)).toBe("ALREADY_EXISTS");
  const other = browser.call("AccountService/SignUp", { ...ADA, email: "bob@example.com" });
  expect(await refusalOf(other)).toBe("SIGN_UP_REFUSED");
  expect(browser.cookie).toBe("");
});

test("S03, S04: a person makes a project, which comes back with name and description, and lists theirs only", async () => {
  const blank = await ada.fetch("/v1/projects", { method: "POST", body: JSON.stringify({}) });
  expect(blank.status).toBe(400);
  const made = await ada.call<{ project: { name: string } }>("ProjectService/CreateProject", {
    project: { displayName: "Solar", description: "Roofs" },
  });
  expect(made.project).toMatchObject({ name: "projects/solar", description: "Roofs" });
  const bob = await invited("bob@example.com", "projects/solar", "VIEWER");
  const own = await bob.call<{ project: { name: string } }>("ProjectService/CreateProject", {
    project: { displayName: "Bob's" },
  });
  const { projects } = await bob.call<{ projects: { name: string }[] }>(
    "ProjectService/ListProjects",
  );
  expect(projects.map(({ name }) => name)).toEqual([own.project.name, "projects/solar"]);
  expect((await me(bob)).memberships?.[0]).toMatchObject({ role: "OWNER" });
});

describe("check 1: what a credential is good for comes from it alone", () => {
  test("a person with no role in a project gets the answer of a project that does not exist", async () => {
    const eve = await invited("eve@example.com", "projects/wind-farm", "VIEWER");
    const [real, missing] = await Promise.all(
      ["projects/solar", "projects/nowhere"].map(async (name) => {
        const answer = await eve.fetch(`/v1/${name}`);
        return `${answer.status} ${(await answer.text()).replaceAll(name, "X")}`.replace(
          /"requestId":"[^"]*"|"value":"[^"]*"/g,
          "",
        );
      }),
    );
    expect(real).toMatch(/^404/);
    expect(real).toBe(missing);
  });
});

describe("check 8: nobody gives more than they have", () => {
  test("an EDITOR gives no role and invites nobody", async () => {
    const ed = await invited("ed@example.com", "projects/wind-farm", "EDITOR");
    const parent = "projects/wind-farm";
    for (const role of ["VIEWER", "OWNER"]) {
      const grant = { parent, grant: { email: "eve@example.com", role } };
      expect(await refusalOf(ed.call("AccessService/CreateGrant", grant))).toBe("ROLE_MISSING");
      const invitation = { parent, invitation: { email: "x@example.com", role } };
      const invite = ed.call("AccountService/CreateInvitation", invitation);
      expect(await refusalOf(invite)).toBe("ROLE_MISSING");
    }
  });

  test("an invitation ends with the role of who made it, and is good once", async () => {
    const owner = await invited("olga@example.com", "projects/wind-farm", "OWNER");
    const invite = (email: string) =>
      owner.call<{ link: string }>("AccountService/CreateInvitation", {
        parent: "projects/wind-farm",
        invitation: { email, role: "OWNER" },
      });
    const [used, late] = [await invite("new1@example.com"), await invite("new2@example.com")];
    const accept = (link: string) =>
      createBrowser(first.url).call("AccountService/AcceptInvitation", {
        token: tokenOf(link),
        password: PASSWORD,
      });
    const both = await Promise.allSettled([accept(used.link), accept(used.link)]);
    expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await ada.call("AccessService/CreateGrant", {
      parent: "projects/wind-farm",
      grant: { email: "olga@example.com", role: "EDITOR" },
    });
    expect(await refusalOf(accept(late.link))).toBe("RESOURCE_NOT_FOUND");
  });
});

describe("check 24: guessing passwords", () => {
  const guess = (browser: Browser, email: string) =>
    browser.fetch("/v1/account:signIn", {
      method: "POST",
      body: JSON.stringify({ email, password: "wrong password" }),
    });

  test("an unknown address and a wrong password answer alike, after the same work", async () => {
    const bodies: string[] = [];
    const times = { "eve@example.com": [] as number[], "none@example.com": [] as number[] };
    for (let i = 0; i < 4; i++) {
      for (const [email, taken] of Object.entries(times)) {
        const start = performance.now();
        const answer = await guess(createBrowser(first.url), email);
        taken.push(performance.now() - start);
        expect(answer.status).toBe(401);
        bodies.push((await answer.text()).replace(/"requestId":"[^"]*"|"value":"[^"]*"/g, ""));
      }
    }
    expect(new Set(bodies).size).toBe(1);
    // Without the hash an unknown address would take a tenth; a loaded machine shifts both.
    const least = (email: keyof typeof times) => Math.min(...times[email]);
    expect(least("none@example.com")).toBeGreaterThan(least("eve@example.com") * 0.4);
  });

  test("the eleventh wrong password in a minute from one address is 429, many at once included; another address signs in", async () => {
    const browser = createBrowser(first.url, from("192.0.2.66"));
    const answers = await Promise.all(
      Array.from({ length: 14 }, () => guess(browser, "bob@example.com")),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(10).fill(401), ...Array(4).fill(429)]);
    const limited = answers.find(({ status }) => status === 429)!;
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    const account = { email: "bob@example.com", password: PASSWORD };
    for (const node of [first, second]) {
      const again = createBrowser(node.url, from("192.0.2.66"));
      expect(await refusalOf(again.call("AccountService/SignIn", account))).toBe(
        "TOO_MANY_ATTEMPTS",
      );
    }
    const elsewhere = createBrowser(second.url, from("192.0.2.67"));
    await elsewhere.call("AccountService/SignIn", account);
    expect((await me(elsewhere)).person.email).toBe("bob@example.com");
  });
});

describe("check 35: the cookie and other sites", () => {
  test("the cookie is HttpOnly and SameSite=Lax; on plain http it has no prefix", async () => {
    const answer = await createBrowser(first.url).fetch("/v1/account:signIn", {
      method: "POST",
      body: JSON.stringify(ADA),
    });
    const [set = ""] = answer.headers.getSetCookie();
    expect(set).toMatch(/^tributary=[^;]{66}; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("a write with the cookie alone is refused, a read is not; Connect GET reads, and never writes", async () => {
    const browser = await signIn(ADA);
    const { csrfToken } = browser;
    browser.csrfToken = "";
    const create = { project: { displayName: "Planted" } };
    const make = () => browser.call("ProjectService/CreateProject", create);
    expect(await refusalOf(make())).toBe("CSRF_REFUSED");
    expect((await browser.fetch("/v1/projects")).status).toBe(200);
    const get = (method: string) =>
      browser.fetch(`/tributary.management.v1.${method}?connect=v1&encoding=json&message=%7B%7D`);
    expect((await get("ProjectService/ListProjects")).status).toBe(200);
    expect((await get("AccountService/SignOut")).status).toBe(405);
    browser.csrfToken = (await signIn(ADA)).csrfToken;
    expect(await refusalOf(make())).toBe("CSRF_REFUSED");
    browser.csrfToken = csrfToken;
    await make();
  });

  test("calls that a browser says come from another site are refused, sign-in too", async () => {
    for (const site of ["cross-site", "same-site", "none"]) {
      const foreign = createBrowser(first.url, { "sec-fetch-site": site });
      const enter = foreign.call("AccountService/SignIn", ADA);
      expect(await refusalOf(enter)).toBe("CSRF_REFUSED");
      const browser = await signIn(ADA);
      Object.assign(foreign, { cookie: browser.cookie, csrfToken: browser.csrfToken });
      const make = foreign.call("ProjectService/CreateProject", { project: { displayName: "X" } });
      expect(await refusalOf(make)).toBe("CSRF_REFUSED");
    }
    const own = createBrowser(first.url, { "sec-fetch-site": "same-origin" });
    await own.call("AccountService/SignIn", ADA);
    await own.call("AccountService/UpdateMe", { person: { displayName: "Ada L." } });
    expect((await me(own)).person.displayName).toBe("Ada L.");
  });

  test("an Authorization header beside the cookie wins", async () => {
    const browser = await signIn(ADA);
    const headers = { authorization: `Bearer ${await first.token()}` };
    const answer = await browser.fetch("/v1/account", { headers });
    expect(((await answer.json()) as { message: string }).message).toMatch(/only a person/);
    const bad = await browser.fetch("/v1/account", { headers: { authorization: "Bearer x" } });
    expect(bad.status).toBe(401);
  });

  test("a push from the console works with the cookie and the CSRF token, and only so", async () => {
    const browser = await signIn(ADA);
    const stream = await createStream(first, "console", { fields: { n: "LONG" } });
    const push = (headers: Record<string, string> = {}) =>
      browser.fetch(`/v1/${stream}/records`, {
        method: "POST",
        body: '[{"value":{"n":1}}]',
        headers,
      });
    expect((await push()).status).toBe(200);
    expect((await push({ "x-csrf-token": "x" })).status).toBe(403);
  });
});

describe("sessions end", () => {
  const stopsOn = async (node: TestServer, browser: Browser) =>
    await waitFor(async () => (await browser.on(node.url).fetch("/v1/account")).status === 401, {
      timeoutMs: 5_000,
      what: "the session to end",
    });

  test("signing out ends this session on both nodes within 5 s, and removes the cookie", async () => {
    const browser = await signIn(ADA);
    const before = browser.on(first.url);
    for (const node of [first, second])
      expect((await me(browser.on(node.url))).person).toBeDefined();
    await browser.call("AccountService/SignOut");
    expect(browser.cookie).toBe("");
    expect((await before.fetch("/v1/account")).status).toBe(401);
    await stopsOn(second, before);
    expect((await me(ada)).person.email).toBe(ADA.email);
  });

  test("a session is listed with its browser, and ended by its name", async () => {
    const browser = createBrowser(first.url, { "user-agent": "Elsewhere/1.0" });
    await browser.call("AccountService/SignIn", ADA);
    const { sessions } = await ada.call<{
      sessions: { name: string; userAgent: string; current?: boolean }[];
    }>("AccountService/ListSessions");
    const found = sessions.find((each) => each.userAgent === "Elsewhere/1.0");
    expect(sessions.filter((each) => each.current)).toHaveLength(1);
    const bob = createBrowser(second.url);
    await bob.call("AccountService/SignIn", { email: "bob@example.com", password: PASSWORD });
    const foreign = bob.call("AccountService/DeleteSession", { name: found?.name });
    expect(await refusalOf(foreign)).toBe("RESOURCE_NOT_FOUND");
    await ada.call("AccountService/DeleteSession", { name: found?.name });
    expect((await browser.fetch("/v1/account")).status).toBe(401);
  });

  test("a new password ends the other sessions and is asked for from then on; sign-out everywhere ends all", async () => {
    const kim = await invited("kim@example.com", "projects/wind-farm", "VIEWER");
    const account = { email: "kim@example.com", password: PASSWORD };
    const other = await signIn(account);
    const change = (currentPassword: string) =>
      kim.call("AccountService/ChangePassword", { currentPassword, newPassword: "a new password" });
    expect(await refusalOf(change("not the password"))).toBe("PASSWORD_WRONG");
    await change(PASSWORD);
    expect((await other.fetch("/v1/account")).status).toBe(401);
    await stopsOn(second, other);
    expect((await me(kim)).person.email).toBe(account.email);
    expect(await refusalOf(signIn(account))).toBe("SIGN_IN_REFUSED");
    const again = await signIn({ ...account, password: "a new password" });
    const copy = kim.on(first.url);
    await again.call("AccountService/SignOutEverywhere");
    expect((await copy.fetch("/v1/account")).status).toBe(401);
  });

  test("a person who deletes themselves stops at once; the last operator cannot", async () => {
    const leaver = await invited("leaver@example.com", "projects/wind-farm", "VIEWER");
    const remove = { currentPassword: PASSWORD };
    const copy = leaver.on(first.url);
    await me(leaver.on(second.url));
    await leaver.call("AccountService/DeleteMe", remove);
    expect((await copy.fetch("/v1/account")).status).toBe(401);
    await stopsOn(second, copy);
    expect(await refusalOf(ada.call("AccountService/DeleteMe", remove))).toBe("LAST_OWNER");
  });

  test("a person whom an operator shuts out stops on both nodes within 5 s, and comes back when let in", async () => {
    const dora = await invited("dora@example.com", "projects/wind-farm", "EDITOR");
    const account = { email: "dora@example.com", password: PASSWORD };
    const { name } = (await me(dora)).person;
    await me(dora.on(second.url));
    const other = dora.call("AccountService/DisablePerson", { name });
    expect(await refusalOf(other)).toBe("ROLE_MISSING");
    await ada.call("AccountService/DisablePerson", { name });
    expect((await dora.fetch("/v1/account")).status).toBe(401);
    await stopsOn(second, dora);
    expect(await refusalOf(signIn(account))).toBe("SIGN_IN_REFUSED");
    const { people } = await ada.call<{ people: { name: string; disabled?: boolean }[] }>(
      "AccountService/ListPeople",
    );
    expect(people.filter(({ disabled }) => disabled)).toMatchObject([{ name }]);
    await ada.call("AccountService/EnablePerson", { name });
    expect((await me(await signIn(account))).memberships).toHaveLength(1);
    const self = ada.call("AccountService/DisablePerson", { name: (await me(ada)).person.name });
    expect(await refusalOf(self)).toBe("LAST_OWNER");
  });

  test("an operator makes another person one, on every node within 5 s, and takes it away; the last one stays", async () => {
    const [otto, pia] = await Promise.all(
      ["otto@example.com", "pia@example.com"].map((email) =>
        invited(email, "projects/wind-farm", "VIEWER"),
      ),
    );
    const nameOf = async (browser: Browser) => (await me(browser)).person.name;
    const [ottos, pias, mine] = await Promise.all([otto!, pia!, ada].map(nameOf));
    const set = (by: Browser, rpc: "MakeOperator" | "RemoveOperator", name = "") =>
      by.call<{ person: { operator?: boolean } }>(`AccountService/${rpc}`, { name });
    const becomesOnSecond = (browser: Browser, status: number) =>
      waitFor(async () => (await browser.on(second.url).fetch("/v1/people")).status === status, {
        timeoutMs: 5_000,
      });
    expect(await refusalOf(set(otto!, "MakeOperator", ottos))).toBe("ROLE_MISSING");
    expect(await refusalOf(set(ada, "RemoveOperator", mine))).toBe("LAST_OWNER");
    // Somebody who is shut out does not count as the other one, and is not made one.
    await set(ada, "MakeOperator", pias);
    await ada.call("AccountService/DisablePerson", { name: pias });
    expect(await refusalOf(set(ada, "RemoveOperator", mine))).toBe("LAST_OWNER");
    expect((await set(ada, "RemoveOperator", pias)).person.operator).toBeFalsy();
    expect(await refusalOf(set(ada, "MakeOperator", pias))).toBe("WRONG_STATE");
    for (let i = 0; i < 2; i++) {
      expect((await set(ada, "MakeOperator", ottos)).person.operator).toBe(true);
    }
    await becomesOnSecond(otto!, 200);
    await set(otto!, "RemoveOperator", mine);
    await becomesOnSecond(ada, 403);
    expect(await refusalOf(set(otto!, "RemoveOperator", ottos))).toBe("LAST_OWNER");
    await set(otto!, "MakeOperator", mine);
    await becomesOnSecond(ada, 200);
    await set(ada, "RemoveOperator", ottos);
  });

  test("a forged session is refused", async () => {
    const browser = createBrowser(first.url);
    for (const cookie of [
      ada.cookie.slice(0, -1),
      `${ada.cookie}x`,
      `tributary=${"a".repeat(66)}`,
    ]) {
      browser.cookie = cookie;
      expect((await browser.fetch("/v1/account")).status).toBe(401);
    }
    browser.cookie = `${ada.cookie}; ${ada.cookie}`;
    expect((await browser.fetch("/v1/account")).status).toBe(401);
  });
});

test("an invitation is taken up by the person with its address alone, who must sign in where they have signed up", async () => {
  const { link } = await ada.call<{ link: string }>("AccountService/CreateInvitation", {
    parent: "projects/solar",
    invitation: { email: "eve@example.com", role: "EDITOR" },
  });
  const token = tokenOf(link);
  const stranger = createBrowser(first.url);
  const { invitation } = await stranger.call<{ invitation: unknown }>(
    "AccountService/LookupInvitation",
    { token },
  );
  expect(invitation).toMatchObject({
    ...{ email: "eve@example.com", role: "EDITOR", known: true },
    projectDisplayName: "Solar",
  });
  const unsigned = stranger.call("AccountService/AcceptInvitation", { token, password: PASSWORD });
  expect(await refusalOf(unsigned)).toBe("ALREADY_EXISTS");
  const zoe = await invited("zoe@example.com", "projects/wind-farm", "VIEWER");
  const other = zoe.call("AccountService/AcceptInvitation", { token });
  expect(await refusalOf(other)).toBe("INVITATION_OF_ANOTHER");
  const eve = await signIn({ email: "eve@example.com", password: PASSWORD });
  await eve.call("AccountService/AcceptInvitation", { token });
  expect((await me(eve)).memberships).toContainEqual({
    ...{ project: "projects/solar", displayName: "Solar" },
    role: "EDITOR",
  });
});

test("an invitation is mailed where the installation sends mail, with the link of the answer", async () => {
  const invite = (browser: Browser) =>
    browser.call<{ link: string; mailed?: boolean }>("AccountService/CreateInvitation", {
      parent: "projects/solar",
      invitation: { email: "mia@example.com", role: "VIEWER" },
    });
  expect((await invite(ada)).mailed).toBeUndefined();
  const { link, mailed } = await invite(ada.on(second.url));
  expect(mailed).toBe(true);
  const [sent] = await waitFor(() => (mail.mails.length > 0 ? mail.mails : undefined), {
    what: "the mail",
  });
  expect(sent?.to).toEqual(["mia@example.com"]);
  // Long lines are folded (quoted-printable), where = stands as =3D.
  expect(sent?.source.replace(/=\r?\n/g, "").replaceAll("=3D", "=")).toContain(link);
});

test("a forgotten password is set again by a mailed link, once; sessions end on both nodes, and nobody learns who has an account", async () => {
  const email = "yara@example.com";
  const yara = await invited(email, "projects/solar", "VIEWER");
  const asked = (browser: Browser, address: string) =>
    browser.call("AccountService/RequestPasswordReset", { email: address });
  expect(await refusalOf(asked(createBrowser(first.url), email))).toBe("MAIL_NOT_CONFIGURED");
  const there = createBrowser(second.url);
  const mailsTo = () =>
    mail.mails
      .filter(({ to }) => to.includes(email))
      .map(({ source }) => source.replace(/=\r?\n/g, "").replaceAll("=3D", "="));
  const before = mail.mails.length;
  // Of seven wishes three are mailed; of those for nobody none is, and the answers do not differ.
  for (let n = 0; n < 7; n++) {
    expect(await asked(there, email)).toEqual({});
    expect(await asked(there, `nobody-${n}@example.com`)).toEqual({});
  }
  await waitFor(() => mailsTo().length === 3, { what: "three mails" });
  expect(mail.mails.length).toBe(before + 3);
  const tokens = mailsTo().map((source) => /#reset=([\w-]{43})/.exec(source)?.[1] ?? "");
  const reset = (token: string, newPassword = "another horse battery") =>
    createBrowser(second.url).call("AccountService/ResetPassword", { token, newPassword });
  expect(await refusalOf(reset("A".repeat(43)))).toBe("RESOURCE_NOT_FOUND");
  const answers = await Promise.allSettled([reset(tokens[0]!), reset(tokens[0]!)]);
  expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  for (const token of tokens) expect(await refusalOf(reset(token))).toBe("RESOURCE_NOT_FOUND");
  await waitFor(async () => (await refusalOf(me(yara).then(() => ""))) === "TOKEN_INVALID");
  expect(await refusalOf(signIn({ email, password: PASSWORD }))).toBe("SIGN_IN_REFUSED");
  expect((await me(await signIn({ email, password: "another horse battery" }))).person.email).toBe(
    email,
  );
  await waitFor(() => mailsTo().some((source) => source.includes("was changed by a link")));
}, 60_000);

test("an invitation is listed without its link, and no good once it is taken back", async () => {
  const { invitation, link } = await ada.call<{ invitation: { name: string }; link: string }>(
    "AccountService/CreateInvitation",
    { parent: "projects/solar", invitation: { email: "tom@example.com", role: "EDITOR" } },
  );
  const answer = await ada.fetch("/v1/projects/solar/invitations");
  const text = await answer.text();
  expect(text).toContain(invitation.name);
  expect(text).not.toContain(tokenOf(link));
  await ada.call("AccountService/DeleteInvitation", { name: invitation.name });
  const accept = { token: tokenOf(link), password: PASSWORD };
  const late = createBrowser(first.url).call("AccountService/AcceptInvitation", accept);
  expect(await refusalOf(late)).toBe("RESOURCE_NOT_FOUND");
});

describe("F17: sharing with people", () => {
  const parent = "projects/wind-farm";
  const grant = (fields: object) =>
    ada.call<{ grant: { name: string } }>("AccessService/CreateGrant", { parent, grant: fields });

  test("an owner finds a person by e-mail address or an application by client id, whole", async () => {
    const look = (query: string) =>
      ada.call<{ candidate: object }>("AccessService/LookupPrincipal", { parent, query });
    const found = await look("EVE@example.com");
    expect(found.candidate).toMatchObject({
      ...{ email: "eve@example.com", displayName: "eve", role: "VIEWER" },
      person: expect.stringMatching(/^people\/[a-z0-9]{20}$/),
    });
    const application = await ada.call<{ application: { clientId: string } }>(
      "ApplicationService/CreateApplication",
      { parent, applicationId: "meter", application: { displayName: "Meter" } },
    );
    const { clientId } = application.application;
    const rest = await ada.fetch(`/v1/${parent}/principals:lookup?query=${clientId}`);
    expect(await rest.json()).toEqual({ candidate: { clientId, displayName: "Meter" } });
    for (const query of ["eve@example", "nobody@example.com", String(first.env.CLIENT_ID)]) {
      expect(await refusalOf(look(query))).toBe("RESOURCE_NOT_FOUND");
    }
    const eve = await signIn({ email: "eve@example.com", password: PASSWORD });
    const query = "bob@example.com";
    const asked = eve.call("AccessService/LookupPrincipal", { parent, query });
    expect(await refusalOf(asked)).toBe("ROLE_MISSING");
  });

  test("a person pushes after sharing, and not before or after it, within 5 s on both nodes; a Viewer reads only", async () => {
    const { stream } = await ada.call<{ stream: { name: string } }>("StreamService/CreateStream", {
      parent,
      streamId: "masts",
      stream: { schema: { fields: [{ name: "n", type: "LONG" }] } },
    });
    const pat = await invited("pat@example.com", "projects/solar", "VIEWER");
    const statuses = (browser: Browser) =>
      Promise.all(
        [first, second].map(async ({ url }) => {
          const push = { method: "POST", body: '[{"value":{"n":1}}]' };
          return (await browser.on(url).fetch(`/v1/${stream.name}/records`, push)).status;
        }),
      );
    const within5s = (wanted: number, what: string) =>
      waitFor(async () => (await statuses(pat)).every((status) => status === wanted), {
        timeoutMs: 5_000,
        what,
      });
    await within5s(404, "the first refusal");
    const share = { parent: stream.name, grant: { email: "pat@example.com", role: "EDITOR" } };
    const made = await ada.call<{ grant: { name: string } }>("AccessService/CreateGrant", share);
    await within5s(200, "the grant to work");
    await ada.call("AccessService/DeleteGrant", { name: made.grant.name });
    await within5s(404, "the revocation to work");
    await ada.call("AccessService/CreateGrant", {
      ...share,
      grant: { email: "pat@example.com", role: "VIEWER" },
    });
    await within5s(403, "the viewer to be refused");
    expect((await pat.fetch(`/v1/${stream.name}`)).status).toBe(200);
  });

  test("members are listed with their roles, page by page", async () => {
    const all = await ada.call<{ members: Record<string, unknown>[] }>(
      "AccessService/ListMembers",
      { parent },
    );
    expect(all.members[0]).toMatchObject({ email: ADA.email, role: "OWNER" });
    const pat = all.members.find((member) => member.email === "pat@example.com");
    expect(pat).toMatchObject({
      grants: [{ name: expect.stringContaining("/streams/masts/grants/"), role: "VIEWER" }],
    });
    expect(pat?.role).toBeUndefined();
    const paged: unknown[] = [];
    for (let pageToken = ""; ; ) {
      const request = { parent, pageSize: 2, pageToken };
      const page = await ada.call<{ members: unknown[]; nextPageToken?: string }>(
        "AccessService/ListMembers",
        request,
      );
      paged.push(...page.members);
      pageToken = page.nextPageToken ?? "";
      if (pageToken === "") break;
    }
    expect(paged).toEqual(all.members);
  });

  test("a grant names one of client id and e-mail address", async () => {
    for (const who of [{}, { clientId: "a", email: "eve@example.com" }]) {
      expect(await refusalOf(grant({ ...who, role: "VIEWER" }))).toBe("INVALID_FIELDS");
    }
  });

  test("the last OWNER of a project stays, a person too: neither grant nor account goes", async () => {
    const solo = await invited("solo@example.com", "projects/wind-farm", "VIEWER");
    const { project } = await solo.call<{ project: { name: string } }>(
      "ProjectService/CreateProject",
      { project: { displayName: "Alone" } },
    );
    const { grants } = await solo.call<{ grants: { name: string; email: string }[] }>(
      "AccessService/ListGrants",
      { parent: project.name },
    );
    expect(grants).toHaveLength(1);
    expect(grants[0]?.email).toBe("solo@example.com");
    const name = grants[0]?.name;
    const leave = () => solo.call("AccountService/DeleteMe", { currentPassword: PASSWORD });
    expect(await refusalOf(solo.call("AccessService/DeleteGrant", { name }))).toBe("LAST_OWNER");
    expect(await refusalOf(leave())).toBe("LAST_OWNER");
    await solo.call("AccessService/CreateGrant", {
      parent: project.name,
      grant: { email: "eve@example.com", role: "OWNER" },
    });
    const { people } = await ada.call<{ people: { name: string; email: string }[] }>(
      "AccountService/ListPeople",
    );
    const heir = { name: people.find(({ email }) => email === "eve@example.com")?.name };
    // An OWNER who is shut out counts as none.
    await ada.call("AccountService/DisablePerson", { name: heir.name });
    expect(await refusalOf(solo.call("AccessService/DeleteGrant", { name }))).toBe("LAST_OWNER");
    expect(await refusalOf(leave())).toBe("LAST_OWNER");
    await ada.call("AccountService/EnablePerson", { name: heir.name });
    await leave();
    const eve = await signIn({ email: "eve@example.com", password: PASSWORD });
    expect((await eve.fetch(`/v1/${project.name}`)).status).toBe(200);
  });
});
