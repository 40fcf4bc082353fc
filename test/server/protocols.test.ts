import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { credentials, loadPackageDefinition, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health } from "#gen/grpc/health/v1/health_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { AUTHORIZATION, STREAM, startTestServer, type TestServer } from "./test-server.ts";

const run = promisify(execFile);

describe("one port", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const transports: [string, () => Transport][] = [
    [
      "Connect over HTTP/1.1, JSON",
      () =>
        createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", useBinaryFormat: false }),
    ],
    [
      "Connect over HTTP/1.1, protobuf",
      () =>
        createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", useBinaryFormat: true }),
    ],
    ["Connect over h2c", () => createConnectTransport({ baseUrl: server.url, httpVersion: "2" })],
    ["gRPC over h2c", () => createGrpcTransport({ baseUrl: server.url })],
    [
      "gRPC-Web over HTTP/1.1",
      () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1" }),
    ],
    ["gRPC-Web over h2c", () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2" })],
  ];
  it.each(transports)("serves %s", async (_name, open) => {
    const client = createClient(ProjectService, open());
    const { project } = await client.getProject({ name: "projects/a" }, { headers: AUTHORIZATION });
    expect(project?.name).toBe("projects/a");
    const refusal = await client.getProject({ name: "projects/a" }).catch((e: unknown) => e);
    expect(refusal).toBeInstanceOf(ConnectError);
    expect((refusal as ConnectError).code).toBe(Code.Unauthenticated);
    expect((refusal as ConnectError).metadata.get("www-authenticate")).toBe(
      'Bearer realm="tributary"',
    );
  });

  it("streams both ways over gRPC and Connect", async () => {
    for (const transport of [
      createGrpcTransport({ baseUrl: server.url }),
      createConnectTransport({ baseUrl: server.url, httpVersion: "2" }),
    ]) {
      const client = createClient(PushService, transport);
      async function* requests() {
        for (let i = 1; i <= 3; i++) {
          const records = Array.from({ length: i }, () => ({
            payload: { case: "json" as const, value: Buffer.from("{}") },
          }));
          yield { push: { stream: STREAM, records } };
        }
      }
      const accepted: bigint[] = [];
      for await (const { result } of client.pushStream(requests(), { headers: AUTHORIZATION })) {
        if (result.case === "response") accepted.push(result.value.accepted);
      }
      expect(accepted).toEqual([1n, 2n, 3n]);
    }
  });

  it("serves grpc-js", async () => {
    const service = {
      Get: {
        path: "/tributary.management.v1.ProjectService/GetProject",
        requestStream: false,
        responseStream: false,
        requestSerialize: (name: string) =>
          Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]),
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    };
    const { makeGenericClientConstructor } = await import("@grpc/grpc-js");
    expect(loadPackageDefinition).toBeDefined();
    const Client = makeGenericClientConstructor(service as never, "Project");
    const client = new Client(`127.0.0.1:${server.port.port}`, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer good");
    const answer = await new Promise<Buffer>((resolve, reject) =>
      (client as never as { Get: (...a: unknown[]) => void }).Get(
        "projects/a",
        metadata,
        (e: Error | null, b: Buffer) => (e ? reject(e) : resolve(b)),
      ),
    );
    client.close();
    expect(answer.toString("latin1")).toContain("projects/a");
  });

  it("answers health without authentication", async () => {
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    expect((await client.check({ service: PushService.typeName })).status).toBe(1);
    await expect(client.check({ service: "no.Service" })).rejects.toThrow("not_found");
  });

  it.each(["grpc", "connect"])("buf curl needs no schema over %s", async (protocol) => {
    const { stdout } = await run("node_modules/.bin/buf", [
      "curl",
      "--http2-prior-knowledge",
      "--protocol",
      protocol,
      "-H",
      "Authorization: Bearer good",
      "-d",
      '{"name":"projects/a"}',
      `${server.url}/tributary.management.v1.ProjectService/GetProject`,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ project: { name: "projects/a" } });
  });
});
