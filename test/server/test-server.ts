/** A server like production's with small services in memory, for the tests of the port. */
import { create } from "@bufbuild/protobuf";
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { OAuth2Service } from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { RecordSchema } from "#gen/tributary/records/v1/record_pb.js";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";
import { fail } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { Principal } from "../../src/core/principal.ts";
import type { Gate } from "../../src/server/gate.ts";
import type { ShortWay } from "../../src/server/http1-half.ts";
import type { PortLimits } from "../../src/server/limits.ts";
import { createPort, type Port } from "../../src/server/listen.ts";
import { createServerHandler, type ServerHandlerOptions } from "../../src/server/router.ts";
import type { Registration } from "../../src/server/rpc.ts";
import type { TlsFiles } from "../../src/server/tls-files.ts";

export const AUTHORIZATION = { authorization: "Bearer good" };
export const STREAM = "projects/demo/streams/sensors";
export const STORED_JSON =
  '{"n":9007199254740993,"price":1.10,"json":"x","text":"\\"json\\":\\"eA==\\""}';

export const PRINCIPAL: Principal = {
  kind: "application",
  credential: "access-token",
  id: "client",
  projectUid: "p",
  operations: new Set(),
  tokenId: "t",
  expiresAtMs: Number.MAX_SAFE_INTEGER,
};

export const gate: Gate = {
  authenticate(headers) {
    if (headers.get("authorization") !== "Bearer good") {
      throw fail("TOKEN_MISSING", "send an access token", {
        headers: { "WWW-Authenticate": 'Bearer realm="tributary"' },
      });
    }
    return PRINCIPAL;
  },
  authorizeOperation: () => undefined,
  authorizeCall: (_principal, _method, message) => {
    if ("name" in message && String(message.name).startsWith("projects/other")) {
      throw fail("RESOURCE_NOT_FOUND", `${message.name} does not exist`);
    }
  },
};

/** Keeps log lines for assertions. */
export function createTestLogger(): Logger & {
  lines: { level: string; message: string; fields: unknown }[];
} {
  const lines: { level: string; message: string; fields: unknown }[] = [];
  const at = (level: string) => (message: string, fields?: unknown) => {
    lines.push({ level, message, fields });
  };
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const storedRecord = () =>
  create(RecordSchema, { id: "r1", place: "7-0", sequence: 7n, json: Buffer.from(STORED_JSON) });

/** Echoes what it gets, so that tests see how requests arrived. */
export const testServices: Registration = (router) => {
  router.service(ProjectService, {
    getProject: ({ name }) => {
      if (name === "projects/broken") throw new Error("SELECT secret FROM db.internal.host");
      return {
        project: { name, displayName: name === "projects/big" ? "x".repeat(5_000) : "Demo" },
      };
    },
    listProjects: ({ pageSize, pageToken }) => ({
      projects: [{ name: `projects/size-${pageSize}` }],
      nextPageToken: pageToken,
    }),
    createProject: ({ project, projectId }) => ({
      project: { ...project!, name: `projects/${projectId}` },
    }),
    updateProject: ({ project, updateMask }) => ({
      project: {
        ...project!,
        displayName: `${project?.displayName}|${updateMask?.paths.join(",")}`,
      },
    }),
    deleteProject: () => ({}),
  });
  router.service(StreamService, {});
  router.service(SinkService, {
    pauseSink: ({ name }) => ({ sink: { name } }),
    listHeldRecords: () => ({
      heldRecords: [{ recordId: "h1", json: Buffer.from(STORED_JSON) }],
    }),
  });
  router.service(AccessService, {
    createGrant: ({ parent, grant }) => ({ grant: { ...grant!, name: `${parent}/grants/g` } }),
  });
  router.service(OAuth2Service, {
    issueToken: () => ({ accessToken: "t", tokenType: "Bearer", expiresIn: 900 }),
  });
  router.service(PushService, {
    push: ({ records }) => ({ accepted: BigInt(records.length) }),
    async *pushStream(requests) {
      let index = 0n;
      for await (const { push } of requests) {
        const accepted = BigInt(push?.records.length ?? 0);
        yield { requestIndex: index++, result: { case: "response", value: { accepted } } };
      }
    },
  });
  router.service(RecordService, {
    listRecords: () => ({ records: [storedRecord()] }),
    async *tailRecords({ fromSequence }, { signal }) {
      yield { records: [storedRecord()] };
      if (fromSequence === 1n) return;
      if (fromSequence === 2n) throw fail("LOG_UNAVAILABLE", "the log is away");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      throw signal.reason;
    },
  });
};

/** A started server. */
export interface TestServer extends AsyncDisposable {
  readonly port: Port;
  readonly url: string;
  readonly logger: ReturnType<typeof createTestLogger>;
}

/** Starts a server on a free port; `await using` closes it. */
export async function startTestServer(
  options: Partial<ServerHandlerOptions> & {
    portLimits?: Partial<PortLimits>;
    /** Which requests reach the lanes without node:http. */
    isShort?: ShortWay["isWanted"];
    tls?: TlsFiles;
  } = {},
): Promise<TestServer> {
  const logger = createTestLogger();
  const handler = createServerHandler({ services: [testServices], gate, logger, ...options });
  const port = await createPort({
    host: "127.0.0.1",
    port: 0,
    handler: handler.handle,
    ...(options.isShort && { short: { lane: handler.lane, isWanted: options.isShort } }),
    onDrain: handler.drain,
    logger,
    ...(options.tls && { tls: options.tls }),
    ...(options.portLimits && { limits: options.portLimits }),
  });
  return {
    port,
    logger,
    url: `${options.tls ? "https" : "http"}://127.0.0.1:${port.port}`,
    [Symbol.asyncDispose]: () => port.close(),
  };
}
