import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ApiError,
  call,
  createApplication,
  createGrant,
  createStream,
  listAll,
  push,
} from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import {
  createTokenCache,
  fetchToken,
  type Target,
  type TestServer,
  waitFor,
} from "../support/server.ts";

let cluster: Cluster;
let first: TestServer;
let second: TestServer;
let stream: string;

beforeAll(async () => {
  cluster = await startCluster();
  first = await cluster.startNode();
  second = await cluster.startNode({ env: { PUBLIC_URL: first.url } });
  stream = await createStream(first, "shared", { fields: { n: "LONG" } });
});
afterAll(() => cluster?.close());

/** An application of the project, as a caller of a node. */
async function callerOf(id: string, operations?: string[]) {
  const made = await createApplication(first, id, operations);
  const env = { CLIENT_ID: made.clientId, CLIENT_SECRET: made.clientSecret };
  const token = createTokenCache(first.url, env);
  const on = (node: { url: string }): Target => ({ url: node.url, token });
  return { ...made, env, on };
}

const statusOf = async (target: Target) => (await push(target, stream, [{ n: 1 }])).status;

test("F13, F14: a registered application's secret is answered once and never again", async () => {
  const made = await createApplication(first, "secretive");
  expect(made.clientSecret.length).toBeGreaterThan(30);
  const got = await first.get(`/v1/${made.name}`);
  const listed = await first.get("/v1/projects/demo/applications");
  for (const answer of [got, listed]) {
    expect(answer.status).toBe(200);
    expect(await answer.text()).not.toContain(made.clientSecret);
  }
});

test("F15: without the client credentials grant a token call is unauthorized_client, with it a token", async () => {
  const caller = await callerOf("granted");
  const change = (clientCredentialsEnabled: boolean) =>
    call(first, "management.v1.ApplicationService/UpdateApplication", {
      application: { name: caller.name, clientCredentialsEnabled },
      updateMask: "clientCredentialsEnabled",
    });
  await change(false);
  await waitFor(
    () =>
      fetchToken(first.url, caller.env).then(
        () => false,
        (e: Error) => /unauthorized_client/.test(e.message),
      ),
    { timeoutMs: 5_000, what: "the grant to be off" },
  );
  await change(true);
  await waitFor(() => fetchToken(first.url, caller.env).catch(() => ""), { timeoutMs: 5_000 });
});

test("F16: a token without the write operation cannot push", async () => {
  const reader = await callerOf("reader", ["api:use-streams-read"]);
  await createGrant(first, stream, { clientId: reader.clientId, role: "EDITOR" });
  await waitFor(
    () =>
      listAll(reader.on(first), stream).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 5_000, what: "the grant to work for reading" },
  );
  const answer = await push(reader.on(first), stream, [{ n: 1 }]);
  expect(answer.status).toBe(403);
  expect(answer.headers.get("www-authenticate")).toMatch(/insufficient_scope/);
});

test("F17: a push before sharing is refused, after it works, after revocation is refused again, each within 5 s on both nodes", async () => {
  const caller = await callerOf("partner");
  for (const node of [first, second]) expect([403, 404]).toContain(await statusOf(caller.on(node)));
  const grant = await createGrant(first, stream, { clientId: caller.clientId, role: "EDITOR" });
  for (const node of [first, second]) {
    await waitFor(async () => (await statusOf(caller.on(node))) === 200, {
      timeoutMs: 5_000,
      what: "the grant to work",
    });
  }
  await call(first, "management.v1.AccessService/DeleteGrant", { name: grant });
  const revokedAt = performance.now();
  for (const node of [first, second]) {
    await waitFor(async () => [403, 404].includes(await statusOf(caller.on(node))), {
      timeoutMs: 5_000,
      what: "the revocation to work",
    });
  }
  expect(performance.now() - revokedAt).toBeLessThan(5_000);
});

test("F17: a viewer may read and not push", async () => {
  const viewer = await callerOf("viewer");
  await createGrant(first, stream, { clientId: viewer.clientId, role: "VIEWER" });
  await waitFor(
    () =>
      listAll(viewer.on(second), stream).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 5_000, what: "the viewer to read" },
  );
  expect(await statusOf(viewer.on(second))).toBe(403);
});

test("a revoked token is refused by both nodes within 5 s, and a deleted application too", async () => {
  const caller = await callerOf("leaver");
  await createGrant(first, stream, { clientId: caller.clientId, role: "EDITOR" });
  const target = caller.on(second);
  await waitFor(async () => (await statusOf(target)) === 200, { timeoutMs: 5_000 });
  const { CLIENT_ID, CLIENT_SECRET } = caller.env;
  const basic = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString("base64");
  const answer = await fetch(`${first.url}/oauth2/revoke`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ token: await target.token() }),
  });
  expect(answer.status).toBe(200);
  for (const node of [first, second]) {
    await waitFor(async () => (await statusOf(caller.on(node))) === 401, {
      timeoutMs: 5_000,
      what: "the token to be refused",
    });
  }
  const fresh = await fetchToken(first.url, caller.env);
  const again: Target = { url: second.url, token: async () => fresh };
  expect(await statusOf(again)).toBe(200);
  await call(first, "management.v1.ApplicationService/DeleteApplication", { name: caller.name });
  await waitFor(async () => (await statusOf(again)) === 401, {
    timeoutMs: 5_000,
    what: "the application's token to be refused",
  });
});

test("without a role a stream and one that does not exist answer alike: 403 in the own project, 404 in another", async () => {
  const stranger = await callerOf("stranger");
  const bodies = await Promise.all(
    [
      "projects/demo/streams/shared",
      "projects/demo/streams/nothing",
      "projects/none/streams/shared",
    ].map((name) =>
      call(stranger.on(first), "records.v1.RecordService/ListRecords", { stream: name }).then(
        () => "answered",
        (error: ApiError) => `${error.status} ${error.reason} ${error.text.replaceAll(name, "X")}`,
      ),
    ),
  );
  expect(bodies[0]).toMatch(/^403 ROLE_MISSING/);
  expect(bodies[1]).toBe(bodies[0]);
  expect(bodies[2]).toMatch(/^404 RESOURCE_NOT_FOUND/);
});

test("what one node is told the other knows within 5 s: streams and their deletion", async () => {
  const made = await createStream(first, "fleeting", { fields: { n: "LONG" } });
  await waitFor(async () => (await push(second, made, [{ n: 1 }])).status === 200, {
    timeoutMs: 5_000,
    what: "the second node to know the stream",
  });
  expect((await listAll(first, made)).map((r) => r.value)).toEqual([{ n: 1 }]);
  await call(first, "management.v1.StreamService/DeleteStream", { name: made });
  await waitFor(async () => (await push(second, made, [{ n: 2 }])).status === 404, {
    timeoutMs: 5_000,
    what: "the second node to refuse the deleted stream",
  });
});
