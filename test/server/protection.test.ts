import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { RequestInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { createRateLimit } from "../../src/core/rate-limit.ts";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createAddressRates } from "../../src/server/address-rates.ts";
import { PORT_LIMITS, RPC_LIMITS } from "../../src/server/limits.ts";
import { AUTHORIZATION, STREAM, startTestServer } from "./test-server.ts";

const RPC = "/tributary.management.v1.ProjectService";
const JSON_TYPE = { "content-type": "application/json" };

test("check 35: every answer forbids sniffing, framing and referrers, and is not cached", async () => {
  await using server = await startTestServer();
  const rpc = (method: string, body: unknown, headers = {}) =>
    fetch(`${server.url}${RPC}/${method}`, {
      method: "POST",
      headers: { ...JSON_TYPE, ...AUTHORIZATION, ...headers },
      body: JSON.stringify(body),
    });
  const answers = await Promise.all([
    rpc("GetProject", { name: "projects/a" }),
    rpc("GetProject", { name: "projects/broken" }),
    rpc("GetProject", {}, { authorization: "" }),
    fetch(`${server.url}/v1/projects/a`, { headers: AUTHORIZATION }),
    fetch(`${server.url}/v1/projects/other`, { headers: AUTHORIZATION }),
    fetch(`${server.url}/`),
    fetch(`${server.url}/healthz`),
    fetch(`${server.url}/openapi.json`),
    fetch(`${server.url}/nothing`),
  ]);
  for (const answer of answers) {
    const { headers } = answer;
    expect([answer.url, headers.get("x-content-type-options")]).toEqual([answer.url, "nosniff"]);
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("strict-transport-security")).toBeNull();
    await answer.arrayBuffer();
  }
});

test("check 36: no answer allows another origin, preflights are refused, and GET calls only what reads", async () => {
  await using server = await startTestServer();
  const origin = { origin: "https://evil.example.com", ...AUTHORIZATION };
  const message = encodeURIComponent(JSON.stringify({ name: "projects/a" }));
  const get = (method: string) =>
    fetch(`${server.url}${RPC}/${method}?connect=v1&encoding=json&message=${message}`, {
      headers: origin,
    });
  const preflight = await fetch(`${server.url}${RPC}/GetProject`, {
    method: "OPTIONS",
    headers: { ...origin, "access-control-request-method": "POST" },
  });
  const [read, write, removal] = await Promise.all(
    ["GetProject", "UpdateProject", "DeleteProject"].map(get),
  );
  expect(preflight.status).toBe(405);
  expect([read?.status, write?.status, removal?.status]).toEqual([200, 405, 405]);
  for (const answer of [preflight, read!, write!, removal!]) {
    const names = [...answer.headers.keys()].filter((name) => name.startsWith("access-control"));
    expect(names).toEqual([]);
    await answer.arrayBuffer();
  }
});

test("check 37: the limits that production uses: 16 MiB a message, 64 MiB in flight, 60 s a call, 10 s for headers, 30 s for a request, 120 s of silence, 10,000 connections", async () => {
  expect(RPC_LIMITS).toMatchObject({ readMaxBytes: 16 * 1024 * 1024, timeoutMaxMs: 60_000 });
  expect(PORT_LIMITS).toMatchObject({
    ...{ headersMs: 10_000, requestMs: 30_000, sessionIdleMs: 120_000, connections: 10_000 },
    ...{ headerBytes: 16_384, streamsPerSession: 100, sessionsPerAddress: 50 },
  });
  const admission = createAdmission();
  const held = await admission.admit("p", 64 * 1024 * 1024);
  expect(() => held.grow(64 * 1024 * 1024)).not.toThrow();
  await expect(admission.admit("q", 1, AbortSignal.timeout(20))).rejects.toThrow(/timeout|aborted/);
  held.release();
  await using server = await startTestServer();
  const answer = await fetch(`${server.url}${RPC}/GetProject`, {
    method: "POST",
    headers: { ...JSON_TYPE, ...AUTHORIZATION },
    body: JSON.stringify({ name: "x".repeat(RPC_LIMITS.readMaxBytes) }),
  });
  expect(answer.status).toBe(429);
  expect(await answer.text()).toContain("resource_exhausted");
});

test("check 38: an error tells no stack, SQL or host, and has the request's id in header, ErrorInfo and RequestInfo", async () => {
  await using server = await startTestServer();
  const call = (name: string, id: string) =>
    fetch(`${server.url}${RPC}/GetProject`, {
      method: "POST",
      headers: { ...JSON_TYPE, ...AUTHORIZATION, "x-request-id": id },
      body: JSON.stringify({ name }),
    });
  for (const [name, status] of [
    ["projects/broken", 500],
    ["projects/other", 404],
    ["", 400],
  ] as const) {
    const answer = await call(name, `id-${status}`);
    const text = await answer.text();
    expect(answer.status).toBe(status);
    expect(text).not.toMatch(/SELECT|internal\.host|\bat .+:\d+|\.ts\b|node_modules/);
    expect(answer.headers.get("x-request-id")).toBe(`id-${status}`);
    const { details } = JSON.parse(text) as { details: { type: string; debug: unknown }[] };
    expect(details).toContainEqual(
      expect.objectContaining({
        type: "google.rpc.RequestInfo",
        debug: { requestId: `id-${status}` },
      }),
    );
  }
  const given = (await call("projects/broken", "bad id <script>")).headers.get("x-request-id");
  expect(given).toMatch(/^[0-9a-f-]{36}$/);
  const grpc = createClient(ProjectService, createGrpcTransport({ baseUrl: server.url }));
  const error = await grpc
    .getProject({ name: "projects/broken" }, { headers: AUTHORIZATION })
    .catch((caught) => caught);
  expect(error.findDetails(RequestInfoSchema)).toHaveLength(1);
  expect(error.message).not.toContain("SELECT");
});

test("an address gets so many calls, is told so in RateLimit headers, and then 429 with Retry-After", async () => {
  const limit = createRateLimit({ name: "token", calls: 2, windowSeconds: 60 });
  const counts = (path: string) => path.startsWith("/oauth2/") || path.startsWith(`${RPC}/Get`);
  await using server = await startTestServer({
    lanes: [createAddressRates([{ limit, counts }])],
    routes: [
      {
        methods: ["POST"],
        path: "/oauth2/token",
        handle: (_request, response) => {
          response.end("{}");
        },
      },
    ],
  });
  const ask = () => fetch(`${server.url}/oauth2/token`, { method: "POST" });
  const first = await ask();
  expect(first.headers.get("ratelimit-policy")).toBe('"token";q=2;w=60');
  expect(first.headers.get("ratelimit")).toBe('"token";r=1;t=30');
  await ask();
  const refused = await ask();
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(25);
  expect(refused.headers.get("ratelimit")).toMatch(/^"token";r=0;t=\d+$/);
  expect(await refused.json()).toMatchObject({ error: "temporarily_unavailable" });
  const rpc = await fetch(`${server.url}${RPC}/GetProject`, {
    method: "POST",
    headers: { ...JSON_TYPE, ...AUTHORIZATION },
    body: "{}",
  });
  expect(rpc.status).toBe(429);
  expect(await rpc.json()).toMatchObject({ code: "resource_exhausted" });
  const grpc = createClient(ProjectService, createGrpcTransport({ baseUrl: server.url }));
  const error = await grpc.getProject({}, { headers: AUTHORIZATION }).catch((caught) => caught);
  expect(String(error)).toContain("[resource_exhausted] more than 2 calls in 60 s");
  const other = await fetch(`${server.url}/v1/${STREAM}`, { headers: AUTHORIZATION });
  expect(other.headers.get("ratelimit")).toBeNull();
});
