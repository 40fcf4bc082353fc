import {
  create,
  type DescMethod,
  fromJson,
  getOption,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "#gen/grpc/reflection/v1/reflection_pb.js";
import {
  AccessRule_Operation,
  AccessRule_Role,
  rule as ruleOption,
} from "#gen/tributary/access/v1/access_pb.js";
import type { PushStreamResponse } from "#gen/tributary/push/v1/push_service_pb.js";
import { OWN_SERVICES } from "../../src/app/services.ts";
import { readField } from "../../src/auth/access-rules.ts";
import { fail, type Reason, reasonOf } from "../../src/core/errors.ts";
import { call, createApplication, createGrant, createStream, push } from "../support/api.ts";
import { createTokenCache, startServer, type TestServer, waitFor } from "../support/server.ts";
import { REQUEST_MAKERS, type Walked } from "./request-makers.ts";

const CALLERS = ["stranger", "other", "viewer", "editor", "owner", "operator"] as const;
type Caller = (typeof CALLERS)[number];
const ROLES = { viewer: 1, editor: 2, owner: 3, operator: 4 } as const;
const ALL = ["api:use-streams-read", "api:use-streams-write", "api:use-streams-manage"];

/**
 * Where a service asks for more than the rule of the rpc says, as it depends on what the request
 * holds: who is refused beside, and with which reason.
 */
const STRICTER: Readonly<Record<string, Partial<Record<Caller, string>>>> = {
  // Only owners make and see a project's service tokens; a viewer's rule is for personal ones.
  "TokenService/CreateToken": { viewer: "ROLE_MISSING", editor: "ROLE_MISSING" },
  "TokenService/GetToken": { viewer: "RESOURCE_NOT_FOUND", editor: "RESOURCE_NOT_FOUND" },
  "TokenService/UpdateToken": { viewer: "RESOURCE_NOT_FOUND", editor: "RESOURCE_NOT_FOUND" },
  "TokenService/DeleteToken": { viewer: "RESOURCE_NOT_FOUND", editor: "RESOURCE_NOT_FOUND" },
  "TokenService/RefreshToken": { viewer: "RESOURCE_NOT_FOUND", editor: "RESOURCE_NOT_FOUND" },
};

const methods: readonly DescMethod[] = OWN_SERVICES.flatMap((service) => [...service.methods]);
const keyOf = (method: DescMethod) => `${method.parent.name}/${method.name}`;

/** The declared rule. Each request of a push stream is a push, and its answer may be a refusal. */
function ruleOf(method: DescMethod) {
  if (method.name !== "PushStream") return getOption(method, ruleOption);
  const push = methods.find(({ parent, name }) => parent === method.parent && name === "Push")!;
  return { ...getOption(push, ruleOption), resource: "push.stream" };
}

let server: TestServer;
let walked: Walked;
const tokens = new Map<Caller, () => Promise<string>>();

beforeAll(async () => {
  server = await startServer({ env: { TRIBUTARY_EGRESS_LOOPBACK: "1" } });
  const project = "projects/walked";
  for (const projectId of ["walked", "elsewhere"]) {
    await call(server, "management.v1.ProjectService/CreateProject", {
      projectId,
      project: { displayName: projectId },
    });
  }
  for (const role of ["viewer", "editor", "owner"] as const) {
    tokens.set(role, await callerIn(project, role));
  }
  tokens.set("other", await callerIn("projects/elsewhere", "owner"));
  tokens.set("operator", server.token);
  walked = await makeWalked(project);
}, 120_000);
afterAll(() => server?.close());

async function callerIn(project: string, role: "viewer" | "editor" | "owner") {
  const made = await createApplication(server, `as-${role}`, ALL, project);
  const grant = role.toUpperCase() as "VIEWER" | "EDITOR" | "OWNER";
  await createGrant(server, project, { clientId: made.clientId, role: grant });
  return createTokenCache(server.url, {
    CLIENT_ID: made.clientId,
    CLIENT_SECRET: made.clientSecret,
  });
}

async function makeWalked(project: string): Promise<Walked> {
  const stream = await createStream(server, "s", { project, fields: { n: "LONG" } });
  const application = await createApplication(server, "walked", ALL, project);
  await call(server, "management.v1.SinkService/CreateSink", {
    parent: stream,
    sinkId: "hook",
    sink: { webhook: { url: "http://127.0.0.1:1/" } },
    skipTest: true,
  });
  let ids = 0;
  const id = () => `made-${++ids}`;
  const name = async (rpc: string, request: unknown) => {
    const answer = await call<Record<string, { name?: string }>>(
      server,
      `management.v1.${rpc}`,
      request,
    );
    return Object.values(answer).find((value) => value.name)?.name ?? "";
  };
  const { stream: evolving } = await call<{ stream: { name: string } }>(
    ...[server, "management.v1.StreamService/CreateStream"],
    { parent: project, streamId: "evolving", stream: { schemaMode: "EVOLVE" } },
  );
  const fresh: Walked["fresh"] = async (kind) => {
    if (kind === "proposal") return await makeProposal(evolving.name, id().replace("-", "_"));
    if (kind === "branch") {
      return await name("StreamService/CreateBranch", { parent: stream, branchId: id() });
    }
    if (kind === "task") {
      const copied = { parent: stream, branchId: id(), copyOf: "main" };
      const { branch } = await call<{ branch: { task: string } }>(
        server,
        "management.v1.StreamService/CreateBranch",
        copied,
      );
      return branch.task;
    }
    if (kind === "source") {
      return await name("SourceService/CreateSource", {
        parent: stream,
        sourceId: id(),
        source: { apiKey: {} },
      });
    }
    if (kind === "deleted stream") {
      const gone = await createStream(server, id(), { project, fields: { n: "LONG" } });
      await call(server, "management.v1.StreamService/DeleteStream", { name: gone });
      return gone;
    }
    if (kind === "deleted") {
      const gone = await fresh("source");
      await call(server, "management.v1.SourceService/DeleteSource", { name: gone });
      const { deleted } = await call<{ deleted: { name: string; resource: string }[] }>(
        ...[server, "management.v1.DeletedService/ListDeleted"],
        { parent: project },
      );
      return deleted.find(({ resource }) => resource === gone)!.name;
    }
    if (kind === "token") {
      return await name("TokenService/CreateToken", {
        parent: project,
        token: {
          kind: "SERVICE",
          resource: stream,
          role: "VIEWER",
          operations: ["api:use-streams-read"],
          description: "x",
        },
      });
    }
    if (kind === "invitation") {
      return await name("AccountService/CreateInvitation", {
        parent: project,
        invitation: { email: `${id()}@example.com`, role: "VIEWER" },
      });
    }
    const { clientId } = await createApplication(server, id(), ALL, project);
    return await createGrant(server, stream, { clientId, role: "VIEWER" });
  };
  const sink = `${stream}/sinks/hook`;
  const pushed = await server.post(`/v1/${stream}/records?return_record_ids=1`, [
    { value: { n: 1 } },
  ]);
  const { recordIds = [] } = (await pushed.json()) as { recordIds?: string[] };
  const moving = await name("SinkService/CreateSink", {
    parent: stream,
    sinkId: "moving",
    sink: { file: { directory: "moving" } },
  });
  return {
    ...{ project, stream, fresh, id, sink },
    recordId: recordIds[0] ?? "",
    replay: await name("ReplayService/CreateReplay", {
      parent: moving,
      selection: { sequences: {} },
    }),
    migration: await name("MigrationService/CreateMigration", {
      parent: moving,
      sinkId: "moved",
      sink: { file: { directory: "moved" } },
    }),
    attempt: await waitFor(
      async () => {
        const { attempts = [] } = await call<{ attempts?: { name: string }[] }>(
          ...[server, "management.v1.DeliveryService/ListAttempts"],
          { parent: sink },
        );
        return attempts[0]?.name;
      },
      { timeoutMs: 20_000, what: "an attempt of the sink" },
    ),
    source: await fresh("source"),
    application: application.name,
    clientId: application.clientId,
    token: await fresh("token"),
  };
}

/** Pushes a record of a new shape, and waits for the proposal that comes of it. */
async function makeProposal(stream: string, field: string): Promise<string> {
  expect((await push(server, stream, [{ [field]: 1 }])).status).toBe(200);
  return await waitFor(async () => {
    const { schemaProposals = [] } = await call<{
      schemaProposals?: { name: string; sampleJson: string }[];
    }>(server, "management.v1.StreamService/ListSchemaProposals", { parent: stream });
    return schemaProposals.find(({ sampleJson }) => sampleJson.includes(`"${field}"`))?.name;
  });
}

/** What a call met: undefined for an answer. Streams are followed to their first message. */
async function failureOf(method: DescMethod, message: Message, caller: Caller) {
  const token = caller === "stranger" ? undefined : await tokens.get(caller)!();
  const open = method.methodKind === "bidi_streaming" ? openGrpc : openConnect;
  const transport = open({
    baseUrl: server.url,
    interceptors: [
      (next) => (request) => {
        if (token) request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  const client = createClient(method.parent, transport) as unknown as Record<string, unknown>;
  const run = client[method.localName] as (request: unknown, options: object) => unknown;
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), 2_000);
  const options = method.methodKind === "unary" ? {} : { signal: end.signal };
  try {
    if (method.methodKind === "unary") await run(message, options);
    else {
      const input = method.methodKind === "bidi_streaming" ? one(message) : message;
      for await (const answer of run(input, options) as AsyncIterable<unknown>) {
        throwRefusal(answer);
        break;
      }
    }
    return undefined;
  } catch (error) {
    return end.signal.aborted ? undefined : ConnectError.from(error);
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

/** Throws what the answer to one request of a push stream says, as the call of its own would. */
function throwRefusal(answer: unknown): void {
  const { result } = answer as Partial<PushStreamResponse>;
  if (result?.case !== "error") return;
  const { reason, message } = result.value;
  throw fail(reason as Reason, message);
}

const openGrpc = createGrpcTransport;
const openConnect = (options: { baseUrl: string; interceptors: Interceptor[] }) =>
  createConnectTransport({ ...options, httpVersion: "1.1" });

async function* one<T>(message: T): AsyncIterable<T> {
  yield message;
}

async function requestOf(method: DescMethod): Promise<Message> {
  const maker = REQUEST_MAKERS[keyOf(method)];
  if (!maker)
    throw new Error(`add a request for ${keyOf(method)} to test/access/request-makers.ts`);
  return fromJson(method.input, await maker(walked));
}

/** What access control says by the declared table: the reason of the refusal; undefined for none. */
function declared(method: DescMethod, caller: Caller): string | undefined {
  const { operation, role, resource } = ruleOf(method);
  if (operation === AccessRule_Operation.PUBLIC) return undefined;
  if (caller === "stranger") return "TOKEN_MISSING";
  const stricter = STRICTER[keyOf(method)]?.[caller];
  if (stricter) return stricter;
  if (role === AccessRule_Role.ROLE_UNSPECIFIED) return undefined;
  const has = caller === "other" ? 0 : ROLES[caller];
  if (has >= role) return undefined;
  return caller === "other" && resource !== "" ? "RESOURCE_NOT_FOUND" : "ROLE_MISSING";
}

/** RESOURCE_NOT_FOUND counts where access control may say it: of the resource that the rule names. */
function isRefusal(method: DescMethod, message: Message, reason: string | undefined): boolean {
  if (
    ["TOKEN_MISSING", "TOKEN_INVALID", "OPERATION_MISSING", "ROLE_MISSING"].includes(reason ?? "")
  ) {
    return true;
  }
  const { resource } = ruleOf(method);
  return (
    reason === "RESOURCE_NOT_FOUND" &&
    resource !== "" &&
    readField(method.input, message, resource).startsWith(walked.project)
  );
}

test("check 6: every rpc of every service of ours has a request in the walk", () => {
  expect(Object.keys(REQUEST_MAKERS).sort()).toEqual(methods.map(keyOf).sort());
});

test("check 6: the server serves the services that are walked, and else only health and reflection", async () => {
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: server.url }));
  const request = create(ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  });
  for await (const { messageResponse } of client.serverReflectionInfo(one(request))) {
    const names =
      messageResponse.case === "listServicesResponse"
        ? messageResponse.value.service.map((service) => service.name)
        : [];
    const ours = names.filter((name) => !name.startsWith("grpc."));
    expect(ours.sort()).toEqual(OWN_SERVICES.map((service) => service.typeName).sort());
    break;
  }
});

describe.each(methods.map((method) => [keyOf(method), method] as const))("%s", (_, method) => {
  test("check 2, 6: each caller is refused or served as its rule declares", async () => {
    const outcomes: Record<string, string | undefined> = {};
    const expected: Record<string, string | undefined> = {};
    for (const caller of CALLERS) {
      const message = await requestOf(method);
      const error = await failureOf(method, message, caller);
      const reason = reasonOf(error) ?? error?.message;
      outcomes[caller] = isRefusal(method, message, reason) ? reason : "served";
      expected[caller] = declared(method, caller) ?? "served";
    }
    expect(outcomes).toEqual(expected);
  });

  test.runIf(ruleOf(method).resource !== "")(
    "check 2: a name in another project answers as one that does not exist",
    async () => {
      const message = await requestOf(method);
      const text = JSON.stringify(toJson(method.input, message));
      const missing = fromJson(
        method.input,
        JSON.parse(text.replaceAll("projects/walked", "projects/nowhere")),
      );
      const [hidden, absent] = [
        await failureOf(method, message, "other"),
        await failureOf(method, missing, "other"),
      ];
      const bodyOf = (error: ConnectError | undefined) => {
        const info = error?.findDetails(ErrorInfoSchema)[0];
        const { requestId, ...metadata } = info?.metadata ?? {};
        const body = [
          error?.code,
          error?.rawMessage,
          info?.reason,
          metadata,
          error?.details.length,
        ];
        return JSON.stringify(body).replaceAll(/projects\/(walked|nowhere)/g, "projects/*");
      };
      expect(bodyOf(hidden)).toEqual(bodyOf(absent));
      expect(reasonOf(hidden)).toBe("RESOURCE_NOT_FOUND");
    },
  );
});

test("check 2: the two answers take the same time: medians of 1,000 differ by less than 1 ms", async () => {
  const token = await tokens.get("other")!();
  const timeOf = async (name: string) => {
    const start = performance.now();
    const answer = await fetch(`${server.url}/v1/${name}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await answer.arrayBuffer();
    expect(answer.status).toBe(404);
    return performance.now() - start;
  };
  const hidden: number[] = [];
  const absent: number[] = [];
  for (let n = 0; n < 1_000; n++) {
    hidden.push(await timeOf(walked.sink));
    absent.push(await timeOf(walked.sink.replace("walked", "nowhere")));
  }
  const median = (times: number[]) => times.sort((a, b) => a - b)[500]!;
  const difference = Math.abs(median(hidden) - median(absent));
  process.stdout.write(
    `medians: ${median(hidden).toFixed(3)} and ${median(absent).toFixed(3)} ms\n`,
  );
  expect(difference).toBeLessThan(1);
}, 60_000);
