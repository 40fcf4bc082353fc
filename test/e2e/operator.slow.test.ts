import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";
import {
  ApiError,
  call,
  createApplication,
  createSink,
  createStream,
  type ErrorBody,
  getSink,
  listAll,
  push,
  reasonIn,
} from "../support/api.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import {
  createTokenCache,
  startServer,
  type Target,
  type TestServer,
  waitFor,
} from "../support/server.ts";

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
});
afterAll(async () => {
  await server?.close();
  await receiver?.close();
});

const installation = <T>(method: string, request: unknown, as: Target = server) =>
  call<T>(as, `management.v1.InstallationService/${method}`, request);

const usage = <T>(method: string, request: unknown, as: Target = server) =>
  call<T>(as, `management.v1.UsageService/${method}`, request);

/** A project with an owner who is no operator. */
async function projectOf(id: string): Promise<{ name: string; owner: Target; stream: string }> {
  const name = `projects/${id}`;
  await call(server, "management.v1.ProjectService/CreateProject", { projectId: id, project: {} });
  const operations = ["read", "write", "manage"].map((each) => `api:use-streams-${each}`);
  const made = await createApplication(server, "owner", operations, name);
  await call(server, "management.v1.AccessService/CreateGrant", {
    parent: name,
    grant: { clientId: made.clientId, role: "OWNER" },
  });
  const env = { CLIENT_ID: made.clientId, CLIENT_SECRET: made.clientSecret };
  const owner = { url: server.url, token: createTokenCache(server.url, env) };
  const stream = await createStream(owner, "s", { fields: { n: "LONG" }, project: name });
  return { name, owner, stream };
}

const setQuotas = (name: string, quotas: Record<string, number>) =>
  installation("UpdateProjectQuotas", { name, quotas });

async function refusalOf(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

test("B22: a creation beyond a quota gets RESOURCE_EXHAUSTED that names the quota and its value", async () => {
  const { name, owner, stream } = await projectOf("small");
  await setQuotas(name, { streams: 2, sinks: 1, partitions: 6 });
  const fields = { n: "LONG" };
  await createStream(owner, "t", { fields, project: name, throughput: "NORMAL" });
  const third = await refusalOf(createStream(owner, "u", { fields, project: name }));
  expect(third).toMatchObject({
    status: 429,
    code: "resource_exhausted",
    reason: "QUOTA_EXCEEDED",
  });
  expect(third.text).toBe("projects/small has 2 streams and may have 2 (quota streams: 2)");
  await createSink(owner, stream, { id: "one", webhook: { url: receiver.url } });
  const sink = await refusalOf(
    createSink(owner, stream, { id: "two", webhook: { url: receiver.url } }),
  );
  expect(sink.text).toContain("(quota sinks: 1)");
  const more = await refusalOf(
    call(owner, "management.v1.StreamService/UpdateStream", {
      stream: { name: stream, throughput: "MAX" },
      updateMask: "throughput",
    }),
  );
  expect(more.text).toContain("(quota partitions: 6)");
  await setQuotas(name, {
    sinks: 5,
    sinksPerStream: 1,
    applications: 1,
    tokens: 1,
    sourcesPerStream: 1,
  });
  const beside = await refusalOf(
    createSink(owner, stream, { id: "two", webhook: { url: receiver.url } }),
  );
  expect(beside).toMatchObject({ status: 429, reason: "QUOTA_EXCEEDED" });
  expect(beside.text).toBe(
    "projects/small has 1 sinks on that stream and may have 1 (quota sinks_per_stream: 1)",
  );
  const makeSource = (sourceId: string) =>
    call(owner, "management.v1.SourceService/CreateSource", {
      ...{ parent: stream, sourceId },
      source: { apiKey: {} },
    });
  await makeSource("first");
  expect((await refusalOf(makeSource("second"))).text).toContain("(quota sources_per_stream: 1)");
  const makeApplication = (applicationId: string) =>
    call(owner, "management.v1.ApplicationService/CreateApplication", {
      ...{ parent: name, applicationId, application: {} },
    });
  await makeApplication("first").catch(() => undefined);
  expect((await refusalOf(makeApplication("second"))).text).toContain("(quota applications: 1)");
  await setQuotas(name, { streams: 2, sinks: 1, partitions: 6 });
  const { quotas } = await call<{ quotas: { name: string; limit?: string; used?: string }[] }>(
    owner,
    "management.v1.InstallationService/GetProjectQuotas",
    { name },
  );
  expect(quotas.find((each) => each.name === "streams")).toMatchObject({ limit: "2", used: "2" });
});

test("B22: pushes beyond the rate get 429 with Retry-After and RetryInfo, and go on after it", async () => {
  const { name, owner, stream } = await projectOf("slow");
  await setQuotas(name, { records_per_second: 5 });
  const statuses: number[] = [];
  let refused: Response | undefined;
  for (let i = 0; i < 15 && !refused; i++) {
    const answer = await push(owner, stream, [{ n: i }, { n: i }]);
    statuses.push(answer.status);
    if (answer.status === 429) refused = answer;
  }
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
  const body = (await refused!.json()) as ErrorBody;
  expect(reasonIn(body)).toBe("QUOTA_EXCEEDED");
  expect(body.message).toContain("(quota records_per_second: 5)");
  expect(body.details?.map((each) => each.type)).toContain("google.rpc.RetryInfo");
  const seconds = Number(refused!.headers.get("retry-after"));
  expect(seconds).toBeGreaterThanOrEqual(1);
  await waitFor(async () => (await push(owner, stream, [{ n: 1 }])).status === 200, {
    timeoutMs: seconds * 1000 + 1000,
    everyMs: 200,
  });
  // By the rpc form too, and over gRPC's generated handlers the same code.
  const bodyOf = { stream, records: Array.from({ length: 50 }, () => ({ value: { n: 1 } })) };
  // Its 50 records are taken whole once anything is left, and are 10 s' worth.
  await waitFor(() => call(owner, "push.v1.PushService/Push", bodyOf).catch(() => undefined));
  const rpc = await refusalOf(call(owner, "push.v1.PushService/Push", bodyOf));
  expect(rpc).toMatchObject({ status: 429, code: "resource_exhausted", reason: "QUOTA_EXCEEDED" });
});

test("B22: a suspended project takes no pushes, delivers nothing, and only the operator reads it, until it goes on", async () => {
  const { name, owner, stream } = await projectOf("halted");
  const sink = await createSink(owner, stream, { id: "hook", webhook: { url: receiver.url } });
  expect((await push(owner, stream, [{ n: 1 }])).status).toBe(200);
  await waitFor(async () => (await getSink(server, sink.name)).status?.counts?.delivered === "1");
  await installation("SuspendProject", { name, reason: "unpaid" });
  const refused = await push(owner, stream, [{ n: 2 }]);
  expect(refused.status).toBe(403);
  expect(reasonIn((await refused.json()) as ErrorBody)).toBe("PROJECT_SUSPENDED");
  // The operator pushes nothing either, but reads.
  expect((await push(server, stream, [{ n: 2 }])).status).toBe(403);
  expect((await refusalOf(listAll(owner, stream))).reason).toBe("PROJECT_SUSPENDED");
  expect((await refusalOf(getSink(owner, sink.name))).reason).toBe("PROJECT_SUSPENDED");
  expect(await listAll(server, stream)).toHaveLength(1);
  await waitFor(async () => (await getSink(server, sink.name)).status?.state === "PAUSED");
  const { projects } = await installation<{
    projects: { project: { name: string }; suspendTime?: string; suspendReason?: string }[];
  }>("ListAllProjects", {});
  expect(projects.find((each) => each.project.name === name)).toMatchObject({
    suspendReason: "unpaid",
    suspendTime: expect.any(String),
  });
  await installation("UnsuspendProject", { name });
  expect((await push(owner, stream, [{ n: 3 }])).status).toBe(200);
  await waitFor(async () => (await getSink(server, sink.name)).status?.counts?.delivered === "2");
});

test("B22: a project that stores more than its quota is refused until it has room", async () => {
  const { name, owner, stream } = await projectOf("fat");
  await setQuotas(name, { stored_bytes: 200 });
  const reason = async () => {
    const answer = await push(owner, stream, [{ n: 1 }]);
    return answer.status === 200 ? "" : reasonIn((await answer.json()) as ErrorBody);
  };
  await waitFor(async () => (await reason()) === "QUOTA_EXCEEDED", {
    timeoutMs: 20_000,
    everyMs: 200,
  });
  await setQuotas(name, { stored_bytes: 0 });
  expect(await reason()).toBe("");
}, 30_000);

test("S12: a balance of 0 stops nothing unless the owner says so, and then until there is credit", async () => {
  const { name, owner, stream } = await projectOf("payer");
  await installation("UpdateInstallation", {
    installation: { prices: { millionRecordsMicros: "1000000" } },
  });
  const statusOf = async () => (await push(owner, stream, [{ n: 1 }])).status;
  expect(await statusOf()).toBe(200);
  const balance = async () => {
    const answer = await usage<{ balance: Record<string, string> }>("GetBalance", { name }, owner);
    return Number(answer.balance.balanceMicros ?? 0);
  };
  await waitFor(async () => (await balance()) < 0);
  expect(await statusOf()).toBe(200);
  await usage("UpdateBalancePolicy", { project: name, stopWhenUsed: true }, owner);
  await waitFor(async () => (await statusOf()) === 429, { timeoutMs: 15_000, everyMs: 200 });
  await usage("AddCredit", { project: name, amountMicros: "1000" });
  await waitFor(async () => (await statusOf()) === 200, { timeoutMs: 15_000, everyMs: 200 });
  const { entries } = await usage<{ entries: { kind: string }[] }>(
    "ListLedger",
    { project: name },
    owner,
  );
  expect(entries.map((each) => each.kind).sort()).toEqual(["CHARGE", "CREDIT"]);
  await installation("UpdateInstallation", { installation: { prices: {} } });
}, 40_000);

test("B22: the installation's settings are the operator's alone", async () => {
  const { name, owner } = await projectOf("member");
  for (const [service, method, request] of [
    ["InstallationService", "GetInstallation", {}],
    ["InstallationService", "UpdateInstallation", { installation: { signUp: "OPEN" } }],
    ["InstallationService", "ListAllProjects", {}],
    ["InstallationService", "SuspendProject", { name }],
    ["InstallationService", "UpdateProjectQuotas", { name, quotas: { streams: 0 } }],
    ["UsageService", "AddCredit", { project: name, amountMicros: "1" }],
  ] as const) {
    const refused = await refusalOf(call(owner, `management.v1.${service}/${method}`, request));
    expect([method, refused.reason]).toEqual([method, "ROLE_MISSING"]);
  }
  interface Answer {
    installation: { signUp: string; defaultQuotas?: Record<string, string> };
  }
  const before = await installation<Answer>("GetInstallation", {});
  expect(before.installation.signUp).toBe("BY_INVITATION");
  const after = await installation<Answer>("UpdateInstallation", {
    installation: { signUp: "CLOSED", defaultQuotas: { streams: "1" } },
  });
  expect(after.installation).toMatchObject({ signUp: "CLOSED", defaultQuotas: { streams: "1" } });
  const refused = await refusalOf(
    createStream(owner, "second", { fields: { n: "LONG" }, project: name }),
  );
  expect(refused.text).toContain("(quota streams: 1)");
  await installation("UpdateInstallation", {
    installation: { signUp: "BY_INVITATION" },
    updateMask: "signUp,defaultQuotas",
  });
});

test("B22: a project has as many open tails and push streams as its quota of connections", async () => {
  const { name, owner, stream } = await projectOf("talker");
  await setQuotas(name, { connections: 1 });
  const transport = createGrpcTransport({ baseUrl: server.url });
  const records = createClient(RecordService, transport);
  const headers = { authorization: `Bearer ${await owner.token()}` };
  const tail = (signal: AbortSignal) => records.tailRecords({ stream }, { headers, signal });
  const ending = new AbortController();
  const open = tail(ending.signal)[Symbol.asyncIterator]();
  const first = open.next().catch(() => undefined);
  const refusal = await waitFor(
    async () => {
      const brief = AbortSignal.timeout(500);
      const error = await tail(brief)
        [Symbol.asyncIterator]()
        .next()
        .catch((caught: unknown) => caught);
      return String(error).includes("(quota connections: 1)");
    },
    { what: "a second tail to be refused" },
  );
  expect(refusal).toBe(true);
  ending.abort();
  await first;
});
