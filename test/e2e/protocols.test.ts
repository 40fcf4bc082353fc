import { request as httpRequest } from "node:http";
import { connect as h2Connect } from "node:http2";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { credentials, Metadata, makeGenericClientConstructor } from "@grpc/grpc-js";
import { PushRequestSchema, PushResponseSchema, PushService } from "tributary/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStream, listAll } from "../support/api.ts";
import { clientOf, jsonPayload, TRANSPORTS, type TransportName } from "../support/clients.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let stream: string;

beforeAll(async () => {
  server = await startServer();
  stream = await createStream(server, "ways", { fields: { way: "STRING", n: "LONG" } });
});
afterAll(() => server?.close());

/** Values of `n` that came by a way, in the order of the log. */
async function stored(way: string): Promise<unknown[]> {
  const records = await listAll(server, stream, { filter: `way = "${way}"` });
  return records.map((record) => record.value.n);
}

test.each(Object.keys(TRANSPORTS) as TransportName[])(
  "N02: the generated client pushes over %s",
  async (transport) => {
    const client = clientOf(PushService, server, transport);
    const records = [1, 2].map((n) => jsonPayload({ way: transport, n }));
    const answer = await client.push({ stream, records, returnRecordIds: true });
    expect(answer).toMatchObject({ accepted: 2n, duplicate: false });
    expect(answer.firstPlace).toMatch(/^\d+-\d+$/);
    expect(answer.recordIds).toHaveLength(2);
    expect(await stored(transport)).toEqual([1, 2]);
  },
);

test.each(Object.keys(TRANSPORTS) as TransportName[])(
  "F21: an error over %s has its code and its details",
  async (transport) => {
    const client = clientOf(PushService, server, transport);
    const records = [jsonPayload({ way: transport, n: 1 }), jsonPayload({ way: "x", n: "one" })];
    const error = ConnectError.from(
      await client.push({ stream, records }).then(
        () => undefined,
        (cause: unknown) => cause,
      ),
    );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.message).toMatch(/records\[1\].*\bn\b/);
    expect(error.details.length).toBeGreaterThan(0);
  },
);

test("N02: grpc-js, the client of Node's gRPC, pushes", async () => {
  const Client = makeGenericClientConstructor(
    {
      push: {
        path: "/tributary.push.v1.PushService/Push",
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: Uint8Array) => Buffer.from(message),
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (message: Uint8Array) => Buffer.from(message),
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    "PushService",
  );
  const client = new Client(new URL(server.url).host, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${await server.token()}`);
  const body = toBinary(
    PushRequestSchema,
    create(PushRequestSchema, { stream, records: [jsonPayload({ way: "grpc-js", n: 7 })] }),
  );
  const answer = await new Promise<Buffer>((resolve, reject) => {
    client.push?.(body, metadata, (error: Error | null, value: Buffer) =>
      error ? reject(error) : resolve(value),
    );
  });
  client.close();
  expect(fromBinary(PushResponseSchema, answer).accepted).toBe(1n);
  expect(await stored("grpc-js")).toEqual([7]);
});

const FORMS: Record<string, { type: string; body(way: string): string; count: number }> = {
  "an array": {
    type: "application/json",
    body: (way) => `[{"value":{"way":"${way}","n":1}},{"value":{"way":"${way}","n":2}}]`,
    count: 2,
  },
  "one object": {
    type: "application/json; charset=utf-8",
    body: (way) => `{"value":{"way":"${way}","n":1}}`,
    count: 1,
  },
  NDJSON: {
    type: "application/x-ndjson",
    body: (way) => `{"value":{"way":"${way}","n":1}}\n{"value":{"way":"${way}","n":2}}\n`,
    count: 2,
  },
};

test.each(Object.keys(FORMS))("F21: the REST face takes %s", async (name) => {
  const form = FORMS[name] as (typeof FORMS)[string];
  const answer = await server.post(`/v1/${stream}/records`, form.body(name), {
    "content-type": form.type,
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
  expect(await answer.json()).toMatchObject({ accepted: String(form.count) });
  expect(await stored(name)).toEqual([1, 2].slice(0, form.count));
});

test.each([
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
  ["zstd", zstdCompressSync],
] as const)("B14: a body in %s is taken by REST and by Connect", async (encoding, compress) => {
  const send = async (path: string, text: string) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await server.token()}`,
        "content-type": "application/json",
        "content-encoding": encoding,
      },
      body: new Uint8Array(compress(Buffer.from(text))),
    });
  const value = `{"value":{"way":"${encoding}","n":1}}`;
  const rest = await send(`/v1/${stream}/records`, `[${value}]`);
  expect(rest.status, await rest.text()).toBe(200);
  const body = `{"stream":"${stream}","records":[${value}]}`;
  const rpc = await send("/tributary.push.v1.PushService/Push", body);
  expect(rpc.status, await rpc.text()).toBe(200);
  expect(await stored(encoding)).toEqual([1, 1]);
});

test("N02: a POST with Upgrade: h2c, as the JVM's client sends it, is answered over HTTP/1.1", async () => {
  const body = '[{"value":{"way":"jvm","n":1}}]';
  const token = await server.token();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(
      `${server.url}/v1/${stream}/records`,
      {
        method: "POST",
        headers: {
          connection: "Upgrade, HTTP2-Settings",
          upgrade: "h2c",
          "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    request.on("error", reject).end(body);
  });
  expect(status).toBe(200);
  expect(await stored("jvm")).toEqual([1]);
});

test("N02: the REST face answers over HTTP/2 without TLS too", async () => {
  const session = h2Connect(server.url);
  try {
    const call = session.request({
      ":method": "POST",
      ":path": `/v1/${stream}/records`,
      authorization: `Bearer ${await server.token()}`,
      "content-type": "application/json",
    });
    call.end('[{"value":{"way":"h2c","n":1}}]');
    const status = await new Promise((resolve, reject) => {
      call.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
    });
    expect(status).toBe(200);
    expect(await stored("h2c")).toEqual([1]);
  } finally {
    session.close();
  }
});

test("PushStream answers each request in order, and a bad one by itself", async () => {
  const client = clientOf(PushService, server, "gRPC over h2c");
  async function* requests() {
    for (let n = 0; n < 20; n++) {
      const value = { way: "stream", n: n === 7 ? "seven" : n };
      yield { push: { stream, idempotencyKey: `s-${n}`, records: [jsonPayload(value)] } };
    }
  }
  const answers: [bigint, string][] = [];
  for await (const answer of client.pushStream(requests())) {
    const { result } = answer;
    answers.push([answer.requestIndex, result.case === "error" ? result.value.code : "ok"]);
  }
  expect(answers).toEqual(
    Array.from({ length: 20 }, (_, n) => [BigInt(n), n === 7 ? "invalid_argument" : "ok"]),
  );
  expect(await stored("stream")).toEqual([...Array(20).keys()].filter((n) => n !== 7));
});

test("B13: the same call with one idempotency key is stored once, and another body is refused", async () => {
  const headers = { "idempotency-key": "once" };
  const body = [{ value: { way: "once", n: 1 } }];
  const first = await (await server.post(`/v1/${stream}/records`, body, headers)).json();
  const second = await (await server.post(`/v1/${stream}/records`, body, headers)).json();
  expect(second).toEqual({ ...(first as object), duplicate: true });
  const other = [{ value: { way: "once", n: 2 } }];
  const refused = await server.post(`/v1/${stream}/records`, other, headers);
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain("IDEMPOTENCY_KEY_REUSED");
  expect(await stored("once")).toEqual([1]);
});

test("B17: buf curl needs no schema: the server describes itself", async () => {
  const { execFile } = await import("node:child_process");
  const { promisify } = await import("node:util");
  const buf = join(import.meta.dirname, "../../node_modules/.bin/buf");
  const { stdout } = await promisify(execFile)(buf, [
    "curl",
    "--http2-prior-knowledge",
    "--list-methods",
    server.url,
  ]);
  expect(stdout).toContain("tributary.push.v1.PushService/Push");
});
