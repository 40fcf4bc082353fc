import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { PushRequestSchema } from "#gen/tributary/push/v1/push_service_pb.js";
import { fail } from "../../src/core/errors.ts";
import { createSharedLook } from "../../src/core/shared-look.ts";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { createPushLane } from "../../src/ingest/push-lane.ts";
import { sendError } from "../../src/server/answer.ts";
import { sendGrpcError } from "../../src/server/grpc-answer.ts";
import { AUTHORIZATION, gate, startTestServer, type TestServer } from "../server/test-server.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const stream = streamOf({ fields: [field("n", Field_Type.LONG)] });
const RPC = "/tributary.push.v1.PushService/Push";

let server: TestServer | undefined;
afterEach(() => server?.port.close());

/** A node that learns of the stream when it looks again, if ever. */
async function startNode(isMade: boolean) {
  const { definitions, replace } = memoryDefinitions();
  let looks = 0;
  const lookAgain = async () => {
    looks++;
    await new Promise(setImmediate);
    if (isMade) replace(stream);
  };
  const lane = createPushLane({
    ingest: createIngest({ definitions, lookAgain, log: memoryLog().writer }),
    admission: createAdmission(),
    authorizePush: (_, name) => {
      if (name.startsWith("projects/other")) throw fail("RESOURCE_NOT_FOUND", "no such stream");
    },
    authenticate: (request) =>
      gate.authenticate(new Headers({ authorization: request.headers.authorization ?? "" })),
    sendError,
    sendGrpcError,
  });
  const started = await startTestServer({ services: [], lanes: [lane] });
  server = started;
  const post = async (path: string, type: string, body: string | Uint8Array) => {
    const headers = { ...AUTHORIZATION, "content-type": type };
    const request = { method: "POST", headers, body: body as RequestInit["body"] & {} };
    return (await fetch(started.url + path, request)).status;
  };
  return { post, looks: () => looks };
}

type Post = Awaited<ReturnType<typeof startNode>>["post"];
const records = [{ value: { n: 1 } }];
const ways: Record<string, (post: Post, name: string) => Promise<number>> = {
  REST: (post, name) => post(`/v1/${name}/records`, "application/json", JSON.stringify(records)),
  JSON: (post, name) => post(RPC, "application/json", JSON.stringify({ stream: name, records })),
  "JSON, records before the stream": (post, name) =>
    post(RPC, "application/json", JSON.stringify({ records, stream: name })),
  proto: (post, name) => {
    const json = Buffer.from(JSON.stringify({ n: 1 }));
    const message = {
      stream: name,
      records: [{ payload: { case: "json" as const, value: json } }],
    };
    const request = create(PushRequestSchema, message);
    return post(RPC, "application/proto", toBinary(PushRequestSchema, request));
  },
};

describe("a push to a stream that this node does not know", () => {
  test.each(Object.entries(ways))("%s: is taken when another node has made it", async (_, way) => {
    const { post, looks } = await startNode(true);
    expect(await way(post, stream.name)).toBe(200);
    expect(await way(post, stream.name)).toBe(200);
    expect(looks()).toBe(1);
  });

  test.each(Object.entries(ways))("%s: is refused after one look", async (_, way) => {
    const { post, looks } = await startNode(false);
    expect(await way(post, stream.name)).toBe(404);
    expect(looks()).toBe(1);
  });

  test.each(Object.entries(ways))("%s: a stranger's starts no look", async (_, way) => {
    const { post, looks } = await startNode(true);
    expect(await way(post, "projects/other/streams/sensors")).toBe(404);
    expect(looks()).toBe(0);
  });
});

test("a thousand unknown names share one look, and one that fails is none", async () => {
  let looks = 0;
  const look = createSharedLook(() => {
    looks++;
    return Promise.reject(new Error("no database"));
  });
  await Promise.all(Array.from({ length: 1_000 }, look));
  expect(looks).toBe(1);
  await look();
  expect(looks).toBe(2);
});
