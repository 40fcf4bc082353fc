import { once } from "node:events";
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { PushRequestSchema, PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { fail } from "../../src/core/errors.ts";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { createPushLane } from "../../src/ingest/push-lane.ts";
import { createPushService } from "../../src/ingest/push-service.ts";
import { sendError } from "../../src/server/answer.ts";
import { sendGrpcError } from "../../src/server/grpc-answer.ts";
import type { Registration } from "../../src/server/rpc.ts";
import {
  AUTHORIZATION,
  gate,
  STREAM,
  startTestServer,
  type TestServer,
} from "../server/test-server.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const stream = streamOf({ fields: [field("l", Field_Type.LONG)] });
const log = memoryLog();
const admission = createAdmission();
const ingest = createIngest({ ...memoryDefinitions(stream), log: log.writer, reader: log.reader });
const authorizePush = (_: unknown, name: string) => {
  if (name.startsWith("projects/other")) throw fail("RESOURCE_NOT_FOUND", "no such stream");
};
/** Requests that the lane took. */
let taken = 0;
const lane = createPushLane({
  ingest,
  admission,
  authorizePush,
  authenticate: ({ headers: { authorization } }) => {
    taken++;
    return gate.authenticate(new Headers(authorization ? { authorization } : {}));
  },
  sendError,
  sendGrpcError,
});

let fast: TestServer;
let generated: TestServer;
beforeAll(async () => {
  const service = createPushService({ ingest, admission, authorizePush, recheck: () => {} });
  const services: Registration[] = [(router) => router.service(PushService, service)];
  fast = await startTestServer({ services, lanes: [lane] });
  generated = await startTestServer({ services });
});
afterAll(async () => {
  await fast.port.close();
  await generated.port.close();
  expect(admission.heldBytes()).toBe(0);
});

const record = (json: string) => ({ payload: { case: "json" as const, value: Buffer.from(json) } });
const good = { stream: STREAM, records: [record('{"l":1}')] };

function frame(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A gRPC call of raw bytes; gives all headers and trailers of the answer. */
async function callRaw(body: Buffer, headers: Record<string, string> = {}) {
  const session = connect(fast.url);
  const call = session.request({
    ":method": "POST",
    ":path": "/tributary.push.v1.PushService/Push",
    "content-type": "application/grpc",
    te: "trailers",
    ...AUTHORIZATION,
    ...headers,
  });
  const fields: Record<string, unknown> = {};
  call.on("response", (given) => Object.assign(fields, given));
  call.on("trailers", (given) => Object.assign(fields, given));
  call.resume();
  call.end(body);
  await once(call, "close");
  session.close();
  return fields;
}

describe("unary gRPC in the lane", () => {
  const cases: [string, Parameters<Client<typeof PushService>["push"]>][] = [
    ["a record that breaks the schema", [{ stream: STREAM, records: [record('{"l":"x"}')] }]],
    ["no records", [{ stream: STREAM }]],
    ["no stream", [{ records: [record("{}")] }]],
    ["another's stream", [{ ...good, stream: "projects/other/streams/x" }]],
    ["broken JSON", [{ stream: STREAM, records: [record('{"l":')] }]],
  ];
  test.each(cases)(
    "%s: code, reason and fields are those of the generated handler",
    async (_, [request]) => {
      const [ours, theirs] = await Promise.all(
        [fast, generated].map(async ({ url }) => {
          const client = createClient(PushService, createGrpcTransport({ baseUrl: url }));
          const error = await client.push(request, { headers: AUTHORIZATION }).catch((e) => e);
          expect(error).toBeInstanceOf(ConnectError);
          const [info] = (error as ConnectError).findDetails(ErrorInfoSchema);
          const [bad] = (error as ConnectError).findDetails(BadRequestSchema);
          expect(info?.metadata.requestId).toMatch(/./);
          return {
            code: error.code,
            reason: info?.reason,
            fields: bad?.fieldViolations.map((violation) => violation.field),
          };
        }),
      );
      expect(ours).toEqual(theirs);
    },
  );

  test("without a token: UNAUTHENTICATED as a status of gRPC, with WWW-Authenticate", async () => {
    const fields = await callRaw(frame(new Uint8Array()), { authorization: "" });
    expect(fields).toMatchObject({ ":status": 200, "grpc-status": "16" });
  });

  test("an answer has its status in the trailers", async () => {
    const message = toBinary(PushRequestSchema, create(PushRequestSchema, good));
    const before = taken;
    expect(await callRaw(frame(message))).toMatchObject({
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-status": "0",
    });
    expect(taken).toBe(before + 1);
  });

  test("frames that are cut off, flagged, missing or too many are refused; nothing is stored", async () => {
    const message = toBinary(PushRequestSchema, create(PushRequestSchema, good));
    const before = log.messages.length;
    expect(await callRaw(frame(message).subarray(0, 3))).toMatchObject({ "grpc-status": "3" });
    expect(await callRaw(frame(message).subarray(0, 20))).toMatchObject({ "grpc-status": "3" });
    expect(await callRaw(frame(message, 1))).toMatchObject({ "grpc-status": "3" });
    expect(await callRaw(Buffer.alloc(0))).toMatchObject({ "grpc-status": "12" });
    const twice = Buffer.concat([frame(message), frame(message)]);
    expect(await callRaw(twice)).toMatchObject({ "grpc-status": "12" });
    expect(log.messages.length).toBe(before);
  });

  test("times are kept; what the lane cannot read goes to the generated handler", async () => {
    const message = toBinary(PushRequestSchema, create(PushRequestSchema, good));
    expect(await callRaw(frame(message), { "grpc-timeout": "5S" })).toMatchObject({
      "grpc-status": "0",
    });
    const before = taken;
    expect(await callRaw(frame(message), { "grpc-timeout": "soon" })).toMatchObject({
      "grpc-status": "3",
    });
    expect(await callRaw(frame(message), { "grpc-encoding": "gzip" })).toMatchObject({
      "grpc-status": "0",
    });
    expect(taken).toBe(before);
  });
});
