import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeClientKey, signProof } from "../auth/support/keys.ts";
import {
  type ApiError,
  call,
  createApplication,
  createGrant,
  createSink,
  createStream,
  push,
  schemaOf,
} from "../support/api.ts";
import { type Browser, createBrowser } from "../support/browser.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createTokenCache, type Target, type TestServer, waitFor } from "../support/server.ts";

let cluster: Cluster;
let first: TestServer;
let second: TestServer;
let stream: string;
let other: string;

beforeAll(async () => {
  cluster = await startCluster();
  first = await cluster.startNode();
  second = await cluster.startNode({ env: { PUBLIC_URL: first.url } });
  stream = await createStream(first, "fed", { fields: { n: "LONG" } });
  other = await createStream(first, "other", { fields: { n: "LONG" } });
});
afterAll(() => cluster?.close());

interface TokenView {
  name: string;
  prefix: string;
  lastUsedTime?: string;
  description?: string;
  etag: string;
}
const SERVICE = "management.v1.TokenService";
const WRITE = ["api:use-streams-write"];

async function make(token: object, caller: Target = first) {
  return call<{ token: TokenView; secret: string }>(caller, `${SERVICE}/CreateToken`, {
    parent: "projects/demo",
    token: { kind: "SERVICE", role: "EDITOR", operations: WRITE, ...token },
  });
}
const as = (secret: string, node: { url: string } = first): Target => ({
  url: node.url,
  token: async () => secret,
});
const statusOf = async (secret: string, node: { url: string } = first, name = stream) =>
  (await push(as(secret, node), name, [{ n: 1 }])).status;
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => "",
    (error: ApiError) => error.reason,
  );

test("F12, K24: a service token pushes where it is bound to, on every node, and nowhere else", async () => {
  const { token, secret } = await make({ resource: stream, description: "probe" });
  expect(secret).toMatch(/^trib_s[a-z][a-z0-9]{19}[0-9A-Za-z]{49}$/);
  expect(secret.startsWith(token.prefix)).toBe(true);
  expect(await statusOf(secret)).toBe(200);
  expect(await statusOf(secret, second)).toBe(200);
  expect([403, 404]).toContain(await statusOf(secret, first, other));
  expect(
    await refusalOf(call(as(secret), `${SERVICE}/ListTokens`, { parent: "projects/demo" })),
  ).not.toBe("");
  await waitFor(
    async () => {
      const shown = await call<{ token: TokenView }>(first, `${SERVICE}/GetToken`, {
        name: token.name,
      });
      return shown.token.lastUsedTime;
    },
    { timeoutMs: 25_000, what: "the time of use" },
  );
});

test("check 10: a token is shown once: no list, no get, no log and no file has it", async () => {
  const { token, secret } = await make({ resource: stream });
  const refreshed = await call<{ secret: string }>(first, `${SERVICE}/RefreshToken`, {
    name: token.name,
  });
  const answers = await Promise.all([
    first.get(`/v1/${token.name}`),
    first.get("/v1/projects/demo/tokens?pageSize=1000"),
    first.get(`/v1/${stream}?access_token=${secret}`),
  ]);
  for (const answer of answers) {
    const text = await answer.text();
    for (const each of [secret, refreshed.secret]) expect(text).not.toContain(each.slice(26));
  }
  for (const node of [first, second]) {
    for (const text of textsBelow(node.dataDir)) {
      for (const each of [secret, refreshed.secret]) expect(text).not.toContain(each.slice(26));
    }
  }
});

test("F12: a token ends within 5 s on every node when it is disabled, and for good when it is deleted", async () => {
  const { token, secret } = await make({ resource: stream });
  for (const node of [first, second]) expect(await statusOf(secret, node)).toBe(200);
  const change = (disabled: boolean) =>
    call(first, `${SERVICE}/UpdateToken`, {
      token: { name: token.name, disabled },
      updateMask: "disabled",
    });
  const becomes = async (status: number) => {
    for (const node of [first, second]) {
      await waitFor(async () => (await statusOf(secret, node)) === status, {
        timeoutMs: 5_000,
        what: `${status}`,
      });
    }
  };
  await change(true);
  await becomes(401);
  await change(false);
  await becomes(200);
  await call(first, `${SERVICE}/DeleteToken`, { name: token.name });
  await becomes(401);
});

test("K25, check 13: a refresh leaves no gap: the new token works at once on every node, the old one for the overlap", async () => {
  const { token, secret } = await make({ resource: stream });
  expect(await statusOf(secret, second)).toBe(200);
  const refresh = (overlap?: string) =>
    call<{ secret: string }>(first, `${SERVICE}/RefreshToken`, { name: token.name, overlap });
  const overlapped = await refresh("604800s");
  for (const node of [second, first]) {
    expect(await statusOf(overlapped.secret, node)).toBe(200);
    expect(await statusOf(secret, node)).toBe(200);
  }
  const last = await refresh();
  for (const node of [second, first]) expect(await statusOf(last.secret, node)).toBe(200);
  for (const old of [secret, overlapped.secret]) {
    expect(await statusOf(old)).toBe(401);
    await waitFor(async () => (await statusOf(old, second)) === 401, { timeoutMs: 5_000 });
  }
  expect(await refusalOf(refresh("604801s"))).toBe("INVALID_FIELDS");
});

interface Issued {
  token: TokenView & { usedBy: string; resource: string };
  secret: string;
}
const HOOK = { webhook: { url: "http://127.0.0.1:1/" } };

test("K24, K25: a sink's token comes with the sink, reads that sink alone, is listed and cannot be deleted while it is used", async () => {
  const issued = await call<{ sink: { name: string }; token: Issued }>(
    ...[first, "management.v1.SinkService/CreateSink"],
    { parent: stream, sinkId: "with-token", sink: HOOK, skipTest: true, withToken: true },
  );
  const { sink, token } = issued;
  expect(token.token).toMatchObject({
    ...{ usedBy: sink.name, resource: sink.name, description: "Sink with-token of stream fed" },
  });
  await createSink(first, stream, { id: "without-token", ...HOOK }).catch(() => undefined);
  const get = (name: string, secret = token.secret) =>
    refusalOf(call(as(secret, second), "management.v1.SinkService/GetSink", { name }));
  expect(await get(sink.name)).toBe("");
  expect(await get(`${stream}/sinks/without-token`)).toBe("ROLE_MISSING");
  expect(await statusOf(token.secret)).toBe(403);
  const { tokens } = await call<{ tokens: TokenView[] }>(first, `${SERVICE}/ListTokens`, {
    parent: "projects/demo",
  });
  expect(tokens.map(({ name }) => name)).toContain(token.token.name);
  expect(JSON.stringify(tokens)).not.toContain(token.secret);
  const remove = () => refusalOf(call(first, `${SERVICE}/DeleteToken`, { name: token.token.name }));
  expect(await remove()).toBe("WRONG_STATE");
  const refreshed = await call<{ tokens: Issued[] }>(first, `${SERVICE}/RefreshSinkTokens`, {
    parent: sink.name,
    overlap: "60s",
  });
  expect(refreshed.tokens).toHaveLength(1);
  expect(await get(sink.name, refreshed.tokens[0]!.secret)).toBe("");
  expect(await get(sink.name)).toBe("");
  await call(first, "management.v1.SinkService/DeleteSink", { name: sink.name });
  expect(await remove()).toBe("");
});

test("K24: a source's token comes with the source and writes to it alone; who may make none gets no source either", async () => {
  const create = (id: string, caller: Target = first) =>
    call<{ source: { name: string }; url: string; token: Issued }>(
      ...[caller, "management.v1.SourceService/CreateSource"],
      { parent: stream, sourceId: id, source: { bearer: {} }, withToken: true },
    );
  const { url, token } = await create("by-token");
  expect(token.token.description).toBe("Source by-token of stream fed");
  const send = async (to: string) =>
    (
      await fetch(new URL(new URL(to).pathname, second.url), {
        method: "POST",
        headers: {
          authorization: `Bearer ${token.secret}`,
          "content-type": "application/json",
        },
        body: '{"n":1}',
      })
    ).status;
  await waitFor(async () => (await send(url)) === 200);
  const another = await create("by-another");
  await waitFor(async () => (await send(another.url)) === 403);
  expect(await statusOf(token.secret)).toBe(403);

  const editor = await createApplication(first, "token-editor", [
    ...["api:use-streams-write", "api:use-streams-manage"],
  ]);
  await createGrant(first, stream, { clientId: editor.clientId, role: "EDITOR" });
  const env = { CLIENT_ID: editor.clientId, CLIENT_SECRET: editor.clientSecret };
  const target: Target = { url: first.url, token: createTokenCache(first.url, env) };
  await waitFor(async () => (await refusalOf(create("denied", target))) === "ROLE_MISSING");
  const { sources } = await call<{ sources: { name: string }[] }>(
    ...[first, "management.v1.SourceService/ListSources"],
    { parent: stream },
  );
  expect(sources.map(({ name }) => name)).not.toContain(`${stream}/sources/denied`);
});

test("check 9: what is mistyped, cut or made up is refused like an unknown token", async () => {
  const { secret } = await make({ resource: stream });
  const flipped = `${secret.slice(0, 40)}${secret[40] === "a" ? "b" : "a"}${secret.slice(41)}`;
  const bad = [flipped, secret.slice(0, -1), `${secret}a`, secret.toUpperCase(), "trib_s", "trib_"];
  const bodies = new Set<string>();
  for (const each of bad) {
    const answer = await push(as(each), stream, [{ n: 1 }]);
    expect({ each: each.length, status: answer.status }).toEqual({
      each: each.length,
      status: 401,
    });
    expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
    const { message } = (await answer.json()) as { message: string };
    bodies.add(message);
  }
  expect(bodies.size).toBe(1);
});

describe("K24: a token of a sink", () => {
  test("says which sink and stream it is for, and cannot be deleted while that uses it", async () => {
    const sink = await createSink(first, stream, {
      id: "hook",
      displayName: "Hook",
      file: { directory: "hook" },
    });
    const { token, secret } = await make({ resource: sink.name, usedBy: sink.name });
    expect(token.description).toBe("Sink hook of stream fed");
    expect([403, 404]).toContain(await statusOf(secret));
    const remove = () => call(first, `${SERVICE}/DeleteToken`, { name: token.name });
    expect(await refusalOf(remove())).toBe("WRONG_STATE");
    await call(first, "management.v1.SinkService/DeleteSink", { name: sink.name });
    await remove();
  });

  test("K25: one call refreshes all that a sink uses: new ones work on every node, old ones end, the sink goes on", async () => {
    const sink = await createSink(first, stream, { id: "fresh", file: { directory: "fresh" } });
    const operations = ["api:use-streams-read"];
    const own = { resource: sink.name, usedBy: sink.name, operations };
    const made = [await make(own), await make(own)];
    const bystander = await make({ ...own, usedBy: "" });
    const reads = async (secret: string, node: TestServer) => {
      const read = call(as(secret, node), "management.v1.SinkService/GetSink", { name: sink.name });
      return (await refusalOf(read)) === "";
    };
    const refresh = (request: object = {}, caller: Target = first) =>
      call<{ tokens: { token: TokenView & { oldSecretEndTime?: string }; secret: string }[] }>(
        caller,
        `${SERVICE}/RefreshSinkTokens`,
        { parent: sink.name, ...request },
      );
    const overlapped = (await refresh({ overlap: "3600s" })).tokens;
    expect(overlapped.map(({ token }) => token.name)).toEqual(made.map(({ token }) => token.name));
    expect(overlapped[0]?.token).toMatchObject({
      description: "Sink fresh of stream fed",
      oldSecretEndTime: expect.any(String),
    });
    for (const node of [first, second]) {
      for (const { secret } of [...made, ...overlapped]) {
        expect(await reads(secret, node)).toBe(true);
      }
    }
    const counts = () =>
      call<{ sink: { status?: { counts?: { delivered?: string } } } }>(
        first,
        "management.v1.SinkService/GetSink",
        { name: sink.name },
      );
    const before = Number((await counts()).sink.status?.counts?.delivered ?? 0);
    const { tokens } = await refresh();
    for (const node of [first, second]) {
      for (const { secret } of [...tokens, bystander]) expect(await reads(secret, node)).toBe(true);
      for (const { secret } of [...made, ...overlapped]) {
        await waitFor(async () => !(await reads(secret, node)), { timeoutMs: 5_000 });
      }
    }
    expect((await push(first, stream, [{ n: 1 }])).status).toBe(200);
    await waitFor(
      async () => Number((await counts()).sink.status?.counts?.delivered ?? 0) > before,
      { timeoutMs: 15_000, what: "the sink to go on" },
    );
    expect(await refusalOf(refresh({}, as(tokens[0]?.secret ?? "")))).toBe("OPERATION_MISSING");
    const missing = refresh({ parent: `${stream}/sinks/missing` });
    expect(await refusalOf(missing)).toBe("RESOURCE_NOT_FOUND");
    for (const { token } of tokens) {
      const remove = call(first, `${SERVICE}/DeleteToken`, { name: token.name });
      expect(await refusalOf(remove)).toBe("WRONG_STATE");
    }
  });

  test("a token of a source ends with the source", async () => {
    const source = await call<{ source: { name: string } }>(
      first,
      "management.v1.SourceService/CreateSource",
      { parent: stream, sourceId: "door", source: { displayName: "Door", apiKey: {} } },
    );
    const { name } = source.source;
    const operations = ["api:use-streams-read"];
    const { token, secret } = await make({ resource: name, usedBy: name, operations });
    expect(token.description).toBe("Source door of stream fed");
    const get = () => call(as(secret), "management.v1.SourceService/GetSource", { name });
    await get();
    const remove = () => call(first, `${SERVICE}/DeleteToken`, { name: token.name });
    expect(await refusalOf(remove())).toBe("WRONG_STATE");
    await call(first, "management.v1.SourceService/DeleteSource", { name });
    expect(await refusalOf(get())).toBe("TOKEN_INVALID");
    await remove();
  });

  test("counts for nothing on a later stream of the same name", async () => {
    const name = await createStream(first, "short", { fields: { n: "LONG" } });
    const { secret } = await make({ resource: name });
    expect(await statusOf(secret, first, name)).toBe(200);
    await call(first, "management.v1.StreamService/DeleteStream", { name });
    await createStream(first, "short", { fields: { n: "LONG" } });
    expect(await statusOf(secret, first, name)).toBe(401);
  });
});

describe("check 8: nothing is made wider than its maker", () => {
  async function caller(id: string, operations: string[], role: "VIEWER" | "EDITOR" | "OWNER") {
    const made = await createApplication(first, id, operations);
    await createGrant(first, "projects/demo", { clientId: made.clientId, role });
    const env = { CLIENT_ID: made.clientId, CLIENT_SECRET: made.clientSecret };
    const target: Target = { url: first.url, token: createTokenCache(first.url, env) };
    return target;
  }
  const MANAGE = ["api:use-streams-manage"];

  test("neither in operations nor in role, and only an OWNER makes service tokens", async () => {
    const manager = await caller("manager", [...MANAGE, "api:use-streams-read"], "OWNER");
    expect(await refusalOf(make({ resource: stream }, manager))).toBe("OPERATION_MISSING");
    const read = { operations: ["api:use-streams-read"], resource: stream };
    expect(await refusalOf(make(read, manager))).toBe("");
    const editor = await caller("editor", [...MANAGE, "api:use-streams-read"], "EDITOR");
    expect(await refusalOf(make(read, editor))).toBe("ROLE_MISSING");
    const application = (operations: string[]) =>
      call(manager, "management.v1.ApplicationService/CreateApplication", {
        parent: "projects/demo",
        applicationId: "made",
        application: { displayName: "made", operations },
      });
    expect(await refusalOf(application([...MANAGE, ...WRITE]))).toBe("OPERATION_MISSING");
    expect(await refusalOf(application([]))).toBe("OPERATION_MISSING");
    expect(await refusalOf(application(["api:use-streams-read"]))).toBe("");
    const widen = call(manager, "management.v1.ApplicationService/UpdateApplication", {
      application: { name: "projects/demo/applications/made", operations: WRITE },
      updateMask: "operations",
    });
    expect(await refusalOf(widen)).toBe("OPERATION_MISSING");
  });

  test("a token makes none that outlives it, or reaches beyond what it is bound to", async () => {
    const soon = new Date(Date.now() + 60_000).toISOString();
    const token = { role: "OWNER", operations: [...MANAGE, ...WRITE], expireTime: soon };
    const { secret } = await make({ ...token, resource: "projects/demo" });
    const later = new Date(Date.now() + 120_000).toISOString();
    const by = as(secret);
    expect(await refusalOf(make({ resource: stream }, by))).toBe("INVALID_FIELDS");
    expect(await refusalOf(make({ resource: stream, expireTime: later }, by))).toBe(
      "INVALID_FIELDS",
    );
    expect(await refusalOf(make({ resource: stream, expireTime: soon }, by))).toBe("");
    expect(await refusalOf(make({ resource: "projects/else" }, by))).toBe("INVALID_FIELDS");
    const bound = await make({ ...token, resource: stream });
    expect(await refusalOf(make({ resource: other, expireTime: soon }, as(bound.secret)))).not.toBe(
      "",
    );
  });
});

describe("F12: a personal token", () => {
  const PASSWORD = "correct horse battery";
  const project = "projects/lab";
  let ada: Browser;
  let own: string;
  beforeAll(async () => {
    ada = createBrowser(first.url);
    const account = { email: "ada@example.com", password: PASSWORD, projectDisplayName: "Lab" };
    await ada.call("AccountService/SignUp", account);
    const made = await ada.call<{ stream: { name: string } }>("StreamService/CreateStream", {
      parent: project,
      streamId: "bench",
      stream: { schema: schemaOf({ n: "LONG" }) },
    });
    own = made.stream.name;
  });
  const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
  const personal = (token: object = {}) =>
    ada.call<{ token: TokenView; secret: string }>("TokenService/CreateToken", {
      parent: project,
      token: { kind: "PERSONAL", operations: WRITE, expireTime: inSeconds(3_600), ...token },
    });

  test("pushes as its person, on every node, where it is bound to alone", async () => {
    const { secret, token } = await personal();
    expect(token.prefix).toMatch(/^trib_p/);
    for (const node of [first, second]) expect(await statusOf(secret, node, own)).toBe(200);
    expect(await statusOf(secret)).toBe(404);
    const viewer = await personal({ role: "VIEWER" });
    expect(await statusOf(viewer.secret, first, own)).toBe(403);
    const reader = await personal({ operations: ["api:use-streams-read"] });
    expect(await statusOf(reader.secret, first, own)).toBe(403);
    const elsewhere = await personal({ resource: own });
    const list = call(as(elsewhere.secret), "management.v1.StreamService/ListStreams", {
      parent: project,
    });
    expect(await refusalOf(list)).not.toBe("");
  });

  test("changes nothing of the account of its person", async () => {
    const operations = ["api:use-streams-read", "api:use-streams-manage"];
    const { secret } = await personal({ operations });
    for (const method of ["SignOutEverywhere", "DeleteMe", "ListSessions"]) {
      const answer = call(as(secret), `management.v1.AccountService/${method}`, {});
      expect(await refusalOf(answer)).not.toBe("");
    }
    expect((await ada.fetch("/v1/account:me")).status).not.toBe(401);
  });

  test("an operator makes service tokens in every project", async () => {
    const made = await ada.call<{ secret: string }>("TokenService/CreateToken", {
      parent: "projects/demo",
      token: { kind: "SERVICE", resource: stream, role: "EDITOR", operations: WRITE },
    });
    expect(await statusOf(made.secret)).toBe(200);
  });

  test("ends by its time, at most 90 days away", async () => {
    expect(await refusalOf(personal({ expireTime: undefined }))).toBe("INVALID_FIELDS");
    expect(await refusalOf(personal({ expireTime: inSeconds(91 * 86_400) }))).toBe(
      "INVALID_FIELDS",
    );
    expect(await refusalOf(personal({ expireTime: inSeconds(-1) }))).toBe("INVALID_FIELDS");
    const { secret } = await personal({ expireTime: inSeconds(4) });
    expect(await statusOf(secret, first, own)).toBe(200);
    await waitFor(async () => (await statusOf(secret, first, own)) === 401, { timeoutMs: 10_000 });
  });

  test("is seen and ended by an owner of the project, and refreshed by its person alone", async () => {
    const { link } = await ada.call<{ link: string }>("AccountService/CreateInvitation", {
      parent: project,
      invitation: { email: "bob@example.com", role: "OWNER" },
    });
    const bob = createBrowser(first.url);
    const token = link.slice(link.indexOf("#invitation=") + "#invitation=".length);
    await bob.call("AccountService/AcceptInvitation", { token, password: PASSWORD });
    const made = await personal();
    const { name } = made.token;
    await bob.call("TokenService/GetToken", { name });
    expect(await refusalOf(bob.call("TokenService/RefreshToken", { name }))).toBe("ROLE_MISSING");
    const refreshed = await ada.call<{ secret: string }>("TokenService/RefreshToken", { name });
    expect(await statusOf(refreshed.secret, second, own)).toBe(200);
    await bob.call("TokenService/DeleteToken", { name });
    expect(await statusOf(refreshed.secret, first, own)).toBe(401);
  });
});

test("personal tokens are for people, and every fault of a token is named at once", async () => {
  const error = await make({ kind: "PERSONAL", operations: [], role: 0 }).catch((e: ApiError) => e);
  expect((error as ApiError).reason).toBe("INVALID_FIELDS");
  for (const field of ["token.kind", "token.expire_time", "token.operations"]) {
    expect((error as ApiError).message).toContain(field);
  }
});

test("check 23: an application that demands DPoP pushes with bound tokens alone", async () => {
  const made = await createApplication(first, "bound");
  await createGrant(first, stream, { clientId: made.clientId, role: "EDITOR" });
  await call(first, "management.v1.ApplicationService/UpdateApplication", {
    application: { name: made.name, dpopRequired: true },
    updateMask: "dpopRequired",
  });
  const key = makeClientKey();
  const tokenUrl = `${first.url}/oauth2/token`;
  const ask = async (headers: Record<string, string>) => {
    const answer = await fetch(tokenUrl, {
      method: "POST",
      headers: {
        ...headers,
        authorization: `Basic ${Buffer.from(`${made.clientId}:${made.clientSecret}`).toString("base64")}`,
      },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });
    const nonce = answer.headers.get("dpop-nonce") ?? "";
    return { nonce, ...((await answer.json()) as { access_token: string; error?: string }) };
  };
  const { nonce, error } = await ask({});
  expect(error).toBe("invalid_dpop_proof");
  const { access_token: token } = await ask({
    dpop: await signProof(key, { url: tokenUrl, nonce }),
  });

  const ath = createHash("sha256").update(token).digest("base64url");
  const url = `${first.url}/v1/${stream}/records`;
  const send = async (headers: Record<string, string>) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify([{ value: { n: 1 } }]),
    });
  const proof = await signProof(key, { url, nonce, claims: { ath } });
  expect((await send({ authorization: `DPoP ${token}`, dpop: proof })).status).toBe(200);
  expect((await send({ authorization: `DPoP ${token}`, dpop: proof })).status).toBe(401);
  expect((await send({ authorization: `DPoP ${token}` })).status).toBe(401);
  const bearer = await send({ authorization: `Bearer ${token}` });
  expect(bearer.status).toBe(401);
  expect(bearer.headers.get("www-authenticate")).toMatch(/^DPoP .*invalid_token/);
  const list = `${first.url}/v1/projects/demo/streams`;
  const read = await fetch(`${list}?pageSize=1`, {
    headers: {
      authorization: `DPoP ${token}`,
      dpop: await signProof(key, { url: list, method: "GET", nonce, claims: { ath } }),
    },
  });
  // Its grant is on one stream: what counts here is that the proof was taken.
  expect([200, 403]).toContain(read.status);
});

/** Every small file below a folder, as text. */
function textsBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size < 64 * 1024 * 1024)
    .map((path) => readFileSync(path, "latin1"));
}
