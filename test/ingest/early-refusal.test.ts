import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { PushRequestSchema, PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { BUILT_IN_QUOTAS } from "../../src/core/quotas.ts";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { isPushHead } from "../../src/ingest/lane-route.ts";
import { createPushLane } from "../../src/ingest/push-lane.ts";
import { createPushLimits } from "../../src/ingest/push-limits.ts";
import { createPushService } from "../../src/ingest/push-service.ts";
import { peekStream } from "../../src/ingest/stream-peek.ts";
import { sendError } from "../../src/server/answer.ts";
import { sendGrpcError } from "../../src/server/grpc-answer.ts";
import type { Registration } from "../../src/server/rpc.ts";
import { PRINCIPAL, STREAM, startTestServer, type TestServer } from "../server/test-server.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const RPC = "/tributary.push.v1.PushService/Push";
const REST = `/v1/${STREAM}/records`;
const LARGE = 15 * 1024 * 1024;

const stream = streamOf({ fields: [field("n", Field_Type.LONG)] });
const project = {
  ...{ uid: stream.projectUid, name: "projects/demo", isSuspended: false },
  quotas: { ...BUILT_IN_QUOTAS, records_per_second: 10 },
};
const limits = createPushLimits({
  definitions: { project: () => project },
  storedBytes: () => 0,
  isUsedUp: () => false,
  now: () => 0,
});
// The clock stands still: over its quota from here on, by as much for every call.
limits.take(stream.projectUid, 100, 1);
const log = memoryLog();
const ingest = createIngest({ ...memoryDefinitions(stream), log: log.writer, limits });
const admission = createAdmission();
const shared = { ingest, admission, authorizePush: () => undefined };
const refused: (string | undefined)[] = [];
const lane = createPushLane({
  ...shared,
  authenticate: () => PRINCIPAL,
  sendError,
  sendGrpcError,
  onRefused: ({ error, resource }) => refused.push(`${reasonOf(error)} ${resource}`),
});
const service = createPushService({ ...shared, recheck: () => undefined });

let fast: TestServer;
let generated: TestServer;
beforeAll(async () => {
  const services: Registration[] = [(router) => router.service(PushService, service)];
  fast = await startTestServer({ services, lanes: [lane], isShort: isPushHead });
  generated = await startTestServer({ services });
});
afterAll(async () => {
  await fast.port.close();
  await generated.port.close();
  expect(admission.heldBytes()).toBe(0);
});

const message = toBinary(
  PushRequestSchema,
  create(PushRequestSchema, {
    stream: STREAM,
    records: [{ payload: { case: "json", value: Buffer.from('{"n":1}') } }],
  }),
);

/** Path, content type, and the first bytes of the body. */
const ways = {
  REST: [REST, "application/json", Buffer.from('[{"value":{"n":1}}')],
  "Connect JSON": [RPC, "application/json", Buffer.from(`{"stream":"${STREAM}","records":[{`)],
  "Connect binary": [RPC, "application/proto", Buffer.from(message)],
} as const;

/** Sends the first bytes of a body that is said to be large, and nothing more; gives the answer. */
function begin(path: string, type: string, first: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(fast.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.setEncoding("utf8").on("error", reject);
    socket.on("data", (piece: string) => {
      text += piece;
      const [head = "", body = ""] = text.split("\r\n\r\n");
      if (body.length < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN)) return;
      if (!text.includes("\r\n\r\n")) return;
      socket.destroy();
      resolve(text);
    });
    const lines = [`POST ${path} HTTP/1.1`, "host: h:1", "authorization: Bearer good"];
    socket.write(
      `${[...lines, `content-type: ${type}`, `content-length: ${LARGE}`].join("\r\n")}\r\n\r\n`,
    );
    socket.write(first);
  });
}

const errorIn = (body: string) =>
  JSON.parse(body.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>"), (name, value) =>
    name === "value" ? undefined : value,
  );

test.each(Object.entries(ways))(
  "check 5: over %s a project over its quota is refused by the first bytes of a large body, as the generated handler refuses",
  async (_, [path, type, first]) => {
    const answer = await begin(path, type, first);
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    expect(answer).toMatch(/\r\nretry-after: 9\r\n/i);
    const json = JSON.stringify({ stream: STREAM, records: [{ value: { n: 1 } }] });
    const wanted = await fetch(generated.url + RPC, {
      method: "POST",
      body: json,
      headers: { authorization: "Bearer good", "content-type": "application/json" },
    });
    expect(wanted.status).toBe(429);
    expect(errorIn(answer.slice(answer.indexOf("\r\n\r\n")))).toEqual(errorIn(await wanted.text()));
    expect(refused.at(-1)).toBe(`QUOTA_EXCEEDED ${STREAM}`);
    expect(log.messages).toEqual([]);
  },
);

test("check 5: so it is over gRPC", async () => {
  const session = connectHttp2(fast.url);
  try {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(LARGE, 1);
    const call = session.request({
      ...{ ":method": "POST", ":path": RPC, authorization: "Bearer good", te: "trailers" },
      "content-type": "application/grpc+proto",
    });
    call.on("error", () => undefined);
    call.write(Buffer.concat([head, message]));
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      call.on("response", resolve).on("error", reject);
    });
    expect(headers["grpc-status"]).toBe("8");
    expect(log.messages).toEqual([]);
  } finally {
    session.destroy();
  }
});

test("the stream that the first bytes tell is the one that the message has, or none", () => {
  const texts = fc.oneof(
    fc.constant(STREAM),
    fc.string({ maxLength: 140 }),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(
    fc.property(texts, fc.string(), (name, branch) => {
      const json = Buffer.from(JSON.stringify({ stream: name, branch }));
      expect([undefined, name]).toContain(peekStream("json", json));
      const binary = Buffer.from(
        toBinary(PushRequestSchema, create(PushRequestSchema, { stream: name, branch })),
      );
      // Left out when it is empty: then the first field is another one.
      expect([undefined, name]).toContain(peekStream("proto", binary));
      expect([undefined, name]).toContain(
        peekStream("grpc", Buffer.concat([Buffer.alloc(5), binary])),
      );
    }),
    { numRuns: 40 },
  );
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(fc.property(bytes, (any) => void peekStream("proto", Buffer.from(any))));
  expect(peekStream("json", Buffer.from(`\ufeff { "stream" : "${STREAM}", `))).toBe(STREAM);
  expect(peekStream("proto", Buffer.from(message))).toBe(STREAM);
});
