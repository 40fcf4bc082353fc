import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { call, createApplication, createSink, createStream, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Event {
  actor?: { kind: string; id: string };
  method: string;
  resource: string;
  before?: Record<string, Record<string, unknown>>;
  after?: Record<string, Record<string, unknown>>;
  request?: Record<string, unknown>;
  code: string;
  reason?: string;
  address: string;
  requestId: string;
  number: string;
}

let server: TestServer;
let stream: string;

beforeAll(async () => {
  server = await startServer();
  stream = await createStream(server, "watched", { fields: { n: "LONG" } });
});
afterAll(() => server?.close());

const list = async (filter: Record<string, unknown> = {}, pageSize = 1_000) =>
  await call<{ auditEvents?: Event[]; nextPageToken?: string }>(
    server,
    "management.v1.AuditService/ListAuditEvents",
    { parent: "projects/demo", filter, pageSize },
  );
const eventsOf = async (filter: Record<string, unknown>) => (await list(filter)).auditEvents ?? [];

test("check 34: a change says who made it, from where, in which request, and what was before and after", async () => {
  await call(server, "management.v1.StreamService/UpdateStream", {
    stream: { name: stream, description: "after" },
    updateMask: "description",
  });
  const [event, made] = await eventsOf({ resource: stream });
  expect(event).toMatchObject({
    actor: { kind: "application", id: server.env.CLIENT_ID },
    method: "tributary.management.v1.StreamService/UpdateStream",
    resource: stream,
    before: { stream: { name: stream } },
    after: { stream: { description: "after" } },
    code: "ok",
    address: "127.0.0.1",
  });
  expect(event!.before!.stream!.description ?? "").toBe("");
  expect(event!.requestId).not.toBe("");
  expect(made).toMatchObject({ method: expect.stringContaining("CreateStream") });
  expect(made!.before).toBeUndefined();
});

test("check 34: an event holds no secret of the call", async () => {
  const secret = "hunter2-is-not-a-secret-any-more";
  const application = await createApplication(server, "watched-app");
  await createSink(server, stream, {
    id: "hook",
    webhook: {
      url: `http://user:${secret}@127.0.0.1:1/in`,
      headers: { authorization: secret },
    },
  }).catch(() => undefined);
  await call(server, "management.v1.SinkService/TestSink", {
    parent: stream,
    sink: { webhook: { url: "http://127.0.0.1:1/", headers: { authorization: secret } } },
  }).catch(() => undefined);
  const text = JSON.stringify(await list());
  expect(text).toContain("watched-app");
  expect(text).not.toContain(secret);
  expect(text).not.toContain(application.clientSecret);
});

test("check 34: refused calls are noted with their reason, also those without a valid token", async () => {
  const missing = `${stream}-none`;
  await call(server, "management.v1.StreamService/DeleteStream", { name: missing }).catch(() => 0);
  const [refused] = await waitFor(
    async () => {
      const found = await eventsOf({ resource: missing });
      return found.length > 0 ? found : undefined;
    },
    { what: "the refusal to be written" },
  );
  expect(refused).toMatchObject({ code: "not_found", reason: "RESOURCE_NOT_FOUND" });

  const answer = await fetch(`${server.url}/tributary.management.v1.StreamService/GetStream`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer nonsense" },
    body: JSON.stringify({ name: stream }),
  });
  expect(answer.status).toBe(401);
  const found = await waitFor(async () => {
    const { auditEvents = [] } = await call<{ auditEvents?: Event[] }>(
      server,
      "management.v1.AuditService/ListInstallationAuditEvents",
      { filter: { code: "unauthenticated", method: "GetStream" } },
    );
    return auditEvents[0];
  });
  expect(found).toMatchObject({ reason: "TOKEN_INVALID", address: "127.0.0.1" });
  expect(found.actor?.id ?? "").toBe("");
});

test("check 34: refusals of plain routes are noted too: pushes, sources and the token endpoint", async () => {
  const bad = { authorization: "Bearer nonsense", "content-type": "application/json" };
  const restPush = await fetch(`${server.url}/v1/${stream}/records`, {
    ...{ method: "POST", headers: bad, body: '[{"value":{"n":1}}]' },
  });
  const { source } = await call<{ source: { url: string; name: string } }>(
    ...[server, "management.v1.SourceService/CreateSource"],
    { parent: stream, sourceId: "hook", source: { apiKey: {} } },
  );
  const address = new URL(source.url);
  const toSource = await fetch(`${server.url}${address.pathname}`, {
    ...{ method: "POST", headers: { "x-api-key": "wrong" }, body: "{}" },
  });
  const token = await fetch(`${server.url}/oauth2/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa("nobody:wrong")}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const other = await createApplication(server, "watched-stranger");
  const basic = btoa(`${other.clientId}:${other.clientSecret}`);
  const issued = await fetch(`${server.url}/oauth2/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const { access_token } = (await issued.json()) as { access_token: string };
  const denied = await push({ url: server.url, token: async () => access_token }, stream, [
    { n: 1 },
  ]);
  const transport = createGrpcTransport({
    baseUrl: server.url,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${access_token}`);
        return next(request);
      },
    ],
  });
  const requests = (async function* () {
    const record = { payload: { case: "json" as const, value: Buffer.from('{"n":1}') } };
    yield { push: { stream, records: [record], idempotencyKey: "k" } };
  })();
  for await (const { result } of createClient(PushService, transport).pushStream(requests)) {
    expect(result).toMatchObject({ case: "error", value: { reason: "ROLE_MISSING" } });
  }
  expect([restPush.status, toSource.status, token.status, denied.status]).toEqual([
    401, 401, 401, 403,
  ]);
  const PUSH = "tributary.push.v1.PushService/Push";
  const PUSH_STREAM = `${PUSH}Stream`;
  const found = await waitFor(async () => {
    const { auditEvents = [] } = await call<{ auditEvents?: Event[] }>(
      ...[server, "management.v1.AuditService/ListInstallationAuditEvents"],
      { pageSize: 1_000 },
    );
    const refused = auditEvents.filter(({ method, code }) => code !== "ok" && !/Get/.test(method));
    return refused.some(({ method }) => method === PUSH_STREAM) ? refused : undefined;
  });
  expect(found).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ method: PUSH, resource: stream, code: "unauthenticated" }),
      expect.objectContaining({
        method: "POST /in/",
        resource: source.name,
        reason: "KEY_INVALID",
      }),
      expect.objectContaining({
        ...{ method: "POST /oauth2/token", reason: "INVALID_CLIENT" },
        request: { client_id: "nobody" },
      }),
      expect.objectContaining({
        ...{ method: PUSH, resource: stream, code: "permission_denied", address: "127.0.0.1" },
        actor: expect.objectContaining({ id: other.clientId }),
      }),
      expect.objectContaining({
        ...{ method: PUSH_STREAM, resource: stream, reason: "ROLE_MISSING" },
        actor: expect.objectContaining({ id: other.clientId }),
      }),
    ]),
  );
});

test("B19: events are filtered, paged newest first, and exported oldest first", async () => {
  const filter = { actorId: server.env.CLIENT_ID, code: "ok" };
  const all = await eventsOf(filter);
  expect(all.length).toBeGreaterThan(2);
  const first = await list(filter, 2);
  expect(first.auditEvents).toEqual(all.slice(0, 2));
  expect(first.nextPageToken).not.toBe("");
  const later = await fetch(
    `${server.url}/v1/projects/demo/auditEvents?filter.actorId=${server.env.CLIENT_ID}&filter.code=ok&pageSize=2&pageToken=${first.nextPageToken}`,
    { headers: { authorization: `Bearer ${await server.token()}` } },
  );
  const next = (await later.json()) as { auditEvents: Event[] };
  expect(next.auditEvents).toEqual(all.slice(2, 4));
  const exported = await server.get("/v1/projects/demo/auditEvents:export");
  expect(exported.status).toBe(200);
  const lines = (await exported.text()).trim().split("\n");
  const events = lines.flatMap(
    (line) =>
      (JSON.parse(line) as { result?: { auditEvents?: Event[] }; auditEvents?: Event[] })
        .auditEvents ?? [],
  );
  expect(events.map((event) => Number(event.number))).toEqual(events.map((_, index) => index + 1));
  expect(events.length).toBeGreaterThan(all.length - 1);
});

test("pushes and reads make no events", async () => {
  const before = (await eventsOf({})).length;
  expect((await push(server, stream, [{ n: 1 }])).status).toBe(200);
  await server.get("/v1/projects/demo/streams");
  expect((await eventsOf({})).length).toBe(before);
});

test("F10: a call that only asks what it would do makes no event, as a form does while it is typed; one that access control refuses does", async () => {
  const create = "management.v1.StreamService/CreateStream";
  const before = (await eventsOf({})).length;
  const good = { displayName: "Only asked for", schema: { fields: [{ name: "n", type: "LONG" }] } };
  const parent = "projects/demo";
  await call(server, create, { parent, stream: good, validateOnly: true });
  await call(server, create, { parent, stream: {}, validateOnly: true }).catch(() => undefined);
  // Refusals are written a moment later, in their order: this one comes after the two above.
  const missing = `${stream}-asked`;
  await call(server, "management.v1.StreamService/DeleteStream", { name: missing }).catch(() => 0);
  await waitFor(async () => (await eventsOf({ resource: missing })).length > 0);
  expect((await eventsOf({})).length).toBe(before + 1);
  const answer = await fetch(`${server.url}/tributary.${create}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer nonsense" },
    body: JSON.stringify({ parent, stream: good, validateOnly: true }),
  });
  expect(answer.status).toBe(401);
  await waitFor(async () => {
    const { auditEvents = [] } = await call<{ auditEvents?: Event[] }>(
      ...[server, "management.v1.AuditService/ListInstallationAuditEvents"],
      { filter: { code: "unauthenticated", method: "CreateStream" } },
    );
    return auditEvents.length > 0;
  });
});
