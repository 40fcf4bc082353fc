import { request as httpRequest } from "node:http";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import {
  PushRequestSchema,
  PushResponseSchema,
  PushService,
} from "#gen/tributary/push/v1/push_service_pb.js";
import { fail, reasonOf } from "../../src/core/errors.ts";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { isPushHead } from "../../src/ingest/lane-route.ts";
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
import { type ErrorBody, reasonIn, violationsIn } from "../support/api.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const RPC = "/tributary.push.v1.PushService/Push";
const REST = `/v1/${STREAM}/records`;

const fields = [
  ["s", Field_Type.STRING],
  ["l", Field_Type.LONG],
  ["d", Field_Type.DOUBLE],
  ["n", Field_Type.DECIMAL],
  ["t", Field_Type.TIMESTAMP],
  ["b", Field_Type.BINARY],
  ["j", Field_Type.JSON],
  ["__proto__", Field_Type.JSON],
] as const;
const stream = streamOf({
  fields: fields.map(([name, type]) => field(name, type, { nullable: true })),
});

const log = memoryLog();
const admission = createAdmission();
const ingest = createIngest({ ...memoryDefinitions(stream), log: log.writer, reader: log.reader });
const authorizePush = (_: unknown, name: string) => {
  if (name.startsWith("projects/other")) throw fail("RESOURCE_NOT_FOUND", "no such stream");
};
const lane = createPushLane({
  ingest,
  admission,
  authorizePush,
  authenticate: (request) =>
    gate.authenticate(
      new Headers(
        request.headers.authorization ? { authorization: request.headers.authorization } : {},
      ),
    ),
  sendError,
  sendGrpcError,
});
const service = createPushService({ ingest, admission, authorizePush, recheck: () => {} });

/** The lane in front of the generated handlers, and the generated handlers alone. */
let fast: TestServer;
/** The lane behind node:http alone. */
let streamed: TestServer;
let generated: TestServer;
beforeAll(async () => {
  const services: Registration[] = [(router) => router.service(PushService, service)];
  fast = await startTestServer({ services, lanes: [lane], isShort: isPushHead });
  streamed = await startTestServer({ services, lanes: [lane] });
  generated = await startTestServer({ services });
});
afterAll(async () => {
  await fast.port.close();
  await streamed.port.close();
  await generated.port.close();
  expect(admission.heldBytes()).toBe(0);
});

interface Answer {
  readonly status: number;
  readonly body: ErrorBody & {
    accepted?: string;
    duplicate?: boolean;
    firstPlace?: string;
    recordIds?: string[];
  };
  readonly headers: Headers;
}

async function post(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(url, {
    method: "POST",
    body: body as RequestInit["body"] & {},
    headers: { ...AUTHORIZATION, "content-type": "application/json", ...headers },
  });
  return {
    status: answer.status,
    body: (await answer.json()) as Answer["body"],
    headers: answer.headers,
  };
}

const joined = (...parts: (string | number[])[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );

/** The ways in, each given the bytes of one record. */
const ways: Record<string, (record: Uint8Array) => Promise<Answer>> = {
  "Connect JSON, lane": (record) =>
    post(fast.url + RPC, joined(`{"stream":"${STREAM}","records":[{"value":`, [...record], "}]}")),
  "Connect JSON, records before the stream": (record) =>
    post(fast.url + RPC, joined(`{"records":[{"value":`, [...record], `}],"stream":"${STREAM}"}`)),
  REST: (record) => post(fast.url + REST, joined('[{"value":', [...record], "}]")),
  "Connect JSON, lane over node:http": (record) =>
    post(
      streamed.url + RPC,
      joined(`{"stream":"${STREAM}","records":[{"value":`, [...record], "}]}"),
    ),
  "Connect JSON, base64": (record) =>
    post(
      fast.url + RPC,
      JSON.stringify({
        stream: STREAM,
        records: [{ json: Buffer.from(record).toString("base64") }],
      }),
    ),
  "Connect binary, lane": (json) => {
    const message = create(PushRequestSchema, {
      stream: STREAM,
      records: [{ payload: { case: "json", value: json } }],
    });
    return postBinary(fast.url + RPC, toBinary(PushRequestSchema, message));
  },
  "Connect binary, generated": (json) => {
    const message = create(PushRequestSchema, {
      stream: STREAM,
      records: [{ payload: { case: "json", value: json } }],
    });
    return postBinary(generated.url + RPC, toBinary(PushRequestSchema, message));
  },
  "Connect JSON, generated": (record) =>
    post(
      generated.url + RPC,
      joined(`{"stream":"${STREAM}","records":[{"value":`, [...record], "}]}"),
    ),
};

async function postBinary(url: string, body: Uint8Array): Promise<Answer> {
  const answer = await fetch(url, {
    method: "POST",
    body: body as RequestInit["body"] & {},
    headers: { ...AUTHORIZATION, "content-type": "application/proto" },
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const text = () => JSON.parse(Buffer.from(bytes).toString()) as Answer["body"];
  const ok = () => ({ accepted: String(fromBinary(PushResponseSchema, bytes).accepted) });
  return { status: answer.status, body: answer.ok ? ok() : text(), headers: answer.headers };
}

const deep = (levels: number) => `{"j":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

/** Good records: stored byte for byte. */
const GOOD: Record<string, string> = {
  "B12 an escaped NUL": '{"s":"a\\u0000b"}',
  "C15 __proto__": '{"__proto__":{"x":1}}',
  "C16 C17 constructor and toString inside": '{"j":{"constructor":{"prototype":1},"toString":2}}',
  "D20 an integer beyond 2^53": '{"l":9007199254740993}',
  "D24 1.0 as a long": '{"l":1.0}',
  "D24 1e2 as a long": '{"l":1e2}',
  "D25 -0 and 1e-400": '{"d":-0,"n":1e-400}',
  "1e400 as DECIMAL and in JSON": '{"n":1e400,"j":[1E+400]}',
  "E28 depth 64": deep(64),
  "an emoji, raw and escaped": '{"s":"\u{1f600}\\ud83d\\ude00"}',
  "white space inside": '{ "s" :\t"a" ,\n"l":1 }',
};

const bytesOf = (...parts: (string | number[])[]) => joined('{"s":"', ...parts, '"}');

/** Bad records: refused with 400, nothing stored. */
const BAD: Record<string, Uint8Array | string> = {
  "A3 a truncated record": '{"s":"a"',
  "A5 trailing text": "{} {}",
  "B6 FF FE in a string": bytesOf([0xff, 0xfe]),
  "B7 an overlong form": bytesOf([0xc0, 0xaf]),
  "B8 a CESU surrogate": bytesOf([0xed, 0xa0, 0x80]),
  "B9 half a surrogate pair": '{"s":"\\ud800"}',
  "C13 equal keys": '{"s":"a","s":"b"}',
  "C14 equal nested keys": '{"j":{"a":1,"a":2}}',
  "D19 1e400 as DOUBLE": '{"d":1e400}',
  "D21 2^63 as LONG": '{"l":9223372036854775808}',
  "D23 1.5 as LONG": '{"l":1.5}',
  "D26 NaN": '{"d":NaN}',
  "D26 +1": '{"d":+1}',
  "D26 01": '{"d":01}',
  "D26 0x10": '{"d":0x10}',
  "D27 'NaN' as DOUBLE": '{"d":"NaN"}',
  "E28 depth 65": deep(65),
  "E30 depth 100,000 of arrays": deep(100_000),
  "E31 depth 100,000 of objects": `{"j":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`,
  "E33 200,000 keys": `{"j":{${Array.from({ length: 200_000 }, (_, i) => `"${i}":0`).join(",")}}}`,
  "E35 a record above its limit": `{"s":"${"x".repeat(1024 * 1024)}"}`,
  "K57 bad base64": '{"b":"a"}',
  "K57 a timestamp without zone": '{"t":"2026-01-01T00:00:00"}',
  "K57 the year 10000": '{"t":"10000-01-01T00:00:00Z"}',
  "K57 a leap second": '{"t":"2016-12-31T23:59:60Z"}',
  "a field that the schema lacks": '{"zzz":1}',
  "a control character": '{"s":"a\nb"}',
};

describe.each(Object.keys(ways))("%s", (way) => {
  test.each(Object.keys(GOOD))("%s is stored byte for byte", async (name) => {
    const before = log.messages.length;
    const answer = await ways[way]!(Buffer.from(GOOD[name]!));
    expect(answer.body).toMatchObject({ accepted: "1" });
    expect(answer.status).toBe(200);
    expect(log.records().at(-1)).toBe(GOOD[name]);
    expect(log.messages.length).toBe(before + 1);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test.each(Object.keys(BAD))("%s is refused with 400, and nothing stored", async (name) => {
    const before = log.messages.length;
    const answer = await ways[way]!(Buffer.from(BAD[name]!));
    expect([answer.status, answer.body.code, answer.body.message]).toEqual([
      400,
      "invalid_argument",
      expect.any(String),
    ]);
    expect(answer.body.message!.length).toBeLessThan(400);
    expect(answer.body.message).not.toContain("x".repeat(101));
    expect(log.messages.length).toBe(before);
  });
});

describe("bodies", () => {
  const wrap = (text: string) => `{"stream":"${STREAM}","records":${text}}`;

  test.each([
    ["A1 an empty body", ""],
    ["A2 a bare word", "hello"],
    ["A3 a truncated body", `{"stream":"${STREAM}","records":[`],
    ["A4 an array", "[]"],
    ["A4 null", "null"],
    ["A4 a number", "1"],
    ["A4 a string", '"x"'],
    ["A5 two documents", `${wrap("[{}]")} {}`],
    ["A5 trailing text", `${wrap('[{"value":{}}]')}x`],
    ["B10 UTF-16", Buffer.from(wrap('[{"value":{}}]'), "utf16le")],
    ["C13 equal top keys", `{"stream":"${STREAM}","stream":"${STREAM}","records":[{"value":{}}]}`],
    ["C18 an unknown envelope field", `{"stream":"${STREAM}","records":[{"value":{}}],"x":1}`],
    ["C18 an unknown record field", wrap('[{"value":{},"x":1}]')],
    ["E32 depth 100,000 in an unknown field", `{"x":${"[".repeat(100_000)}`],
    ["no records", wrap("[]")],
    ["records null", wrap("null")],
    ["a record without payload", wrap('[{"id":"a"}]')],
    ["a record with both payloads", wrap('[{"value":{},"json":"e30="}]')],
    ["a value that is no object", wrap('[{"value":[]}]')],
    ["a bad boolean", `{"stream":"${STREAM}","records":[{"value":{}}],"returnRecordIds":"yes"}`],
    ["a stream that is no text", '{"stream":1,"records":[{"value":{}}]}'],
    ["no stream", '{"records":[{"value":{}}]}'],
    ["an id of 257 bytes", wrap(`[{"value":{},"id":"${"i".repeat(257)}"}]`)],
  ])("%s: 400 invalid_argument with details", async (_, body) => {
    const answer = await post(fast.url + RPC, body);
    expect([answer.status, answer.body.code, reasonIn(answer.body) !== ""]).toEqual([
      400,
      "invalid_argument",
      true,
    ]);
    const other = await post(generated.url + RPC, body);
    expect([other.status, other.body.code]).toEqual([400, "invalid_argument"]);
  });

  test("A5 two records on one line are no NDJSON: 400, and nothing stored", async () => {
    const before = log.messages.length;
    const answer = await post(fast.url + REST, '{"value":{"l":1}} {"value":{"l":2}}');
    expect(answer.status).toBe(400);
    expect(answer.body.message).toContain("on the same line");
    expect(log.messages.length).toBe(before);
  });

  test("B11 a byte order mark is taken", async () => {
    expect((await post(fast.url + RPC, `\ufeff${wrap('[{"value":{}}]')}`)).status).toBe(200);
    expect((await post(fast.url + REST, '\ufeff[{"value":{}}]')).status).toBe(200);
  });

  test("F21: names index and field of every bad record, with reason and fix", async () => {
    const answer = await post(
      fast.url + RPC,
      wrap('[{"value":{"l":1}},{"value":{"l":"x"}},{"value":{"q":1,"d":"y"}}]'),
    );
    expect(violationsIn(answer.body).map((v) => v.field)).toEqual([
      "records[1].l",
      "records[2].q",
      "records[2].d",
    ]);
    expect(answer.body.message).toContain("records[1].l is a string, an integer (LONG)");
    expect(answer.body.details?.[0]?.debug).toMatchObject({
      reason: "RECORD_INVALID",
      metadata: { index: "1", field: "l" },
    });
  });

  test.each([
    ["an array", '[{"value":{"l":1}},{"id":"e2","value":{"l":2}}]'],
    ["NDJSON", '{"value":{"l":1}}\n{"id":"e2","value":{"l":2}}\n\n'],
  ])("F01 B14: REST takes %s", async (_, body) => {
    const answer = await post(`${fast.url}${REST}?branch=main&return_record_ids=true`, body);
    expect(answer.body).toMatchObject({
      accepted: "2",
      recordIds: [expect.any(String), expect.any(String)],
    });
    const { call } = log.messages.at(-1)!;
    expect(call.records.map((r) => Buffer.from(r).toString())).toEqual(['{"l":1}', '{"l":2}']);
    expect(call.producerIds).toEqual(["", "e2"]);
    expect(call).toMatchObject({ source: "push", authentication: "oauth2", address: "127.0.0.1" });
  });

  test("F01: REST takes one object", async () => {
    expect((await post(fast.url + REST, '{"value":{"l":1}}')).body.accepted).toBe("1");
  });

  test("bodies above 256 KiB are taken whole, in order", async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `{"value":{"l":${i}}}`);
    const before = log.records().length;
    const answer = await post(fast.url + RPC, wrap(`[${rows.join(",")}]`));
    expect(answer.body.accepted).toBe("60000");
    expect(log.records().slice(before)).toEqual(
      Array.from({ length: 60_000 }, (_, i) => `{"l":${i}}`),
    );
  });

  test.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
  ] as const)("B14: %s bodies are taken", async (encoding, pack) => {
    const body = pack(Buffer.from(wrap('[{"value":{"l":7}}]')));
    expect((await post(fast.url + RPC, body, { "content-encoding": encoding })).status).toBe(200);
  });

  test("F36-F40 bombs, damaged and unknown encodings", async () => {
    const bomb = gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20));
    const gzip = { "content-encoding": "gzip" };
    expect((await post(fast.url + RPC, bomb, gzip)).status).toBe(429);
    expect((await post(fast.url + REST, bomb, gzip)).status).toBe(413);
    const whole = gzipSync(Buffer.from(wrap('[{"value":{"l":7}}]')));
    expect((await post(fast.url + RPC, whole.subarray(0, 30), gzip)).status).toBe(400);
    expect((await post(fast.url + RPC, "{}", gzip)).status).toBe(400);
    for (const encoding of ["deflate", "gzip, gzip"]) {
      const headers = { "content-encoding": encoding };
      expect((await post(fast.url + RPC, whole, headers)).body.code).toBe("unimplemented");
      expect((await post(fast.url + REST, whole, headers)).status).toBe(415);
    }
  });

  test("E34 a body above 16 MiB: 429 for Connect, 413 for REST, without a hint to retry", async () => {
    const body = Buffer.alloc(16 * 1024 * 1024 + 1, 0x20);
    const rpc = await post(fast.url + RPC, body);
    expect([rpc.status, rpc.body.code, rpc.headers.get("retry-after")]).toEqual([
      429,
      "resource_exhausted",
      null,
    ]);
    const rest = await post(fast.url + REST, body);
    expect([rest.status, reasonIn(rest.body)]).toEqual([413, "TOO_LARGE"]);
  });

  test("G41-G44 damaged binary bodies: 400 invalid_argument", async () => {
    const groups = Buffer.alloc(10_000, 0x1b);
    const bodies = [
      [0x0a, 5, 0x61],
      [0x0a, 2, 0xc3, 0x28],
      [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [...groups],
      [0x00, 1],
    ];
    for (const bytes of bodies) {
      const answer = await postBinary(fast.url + RPC, Uint8Array.from(bytes));
      expect([answer.status, reasonIn(answer.body)]).toEqual([400, "INVALID_BODY"]);
    }
  });

  test("a Struct in a binary call becomes JSON text; NaN in it is refused", async () => {
    const message = (value: { [k: string]: number }) => {
      const request = create(PushRequestSchema, {
        stream: STREAM,
        records: [{ payload: { case: "value", value }, id: "e" }],
      });
      return toBinary(PushRequestSchema, request);
    };
    expect((await postBinary(fast.url + RPC, message({ d: 1.5 }))).status).toBe(200);
    expect(log.records().at(-1)).toBe('{"d":1.5}');
    // 0x09 0 0 0 0 0 0 0xf0 0x3f is the number 1; the last two bytes make it NaN.
    const bytes = Buffer.from(message({ d: 1 }));
    const at = bytes.indexOf(Buffer.from([0, 0, 0xf0, 0x3f]));
    bytes.writeUInt16LE(0x7ff8, at + 2);
    expect((await postBinary(fast.url + RPC, bytes)).status).toBe(400);
  });
});

describe("heads", () => {
  const good = `{"stream":"${STREAM}","records":[{"value":{"l":1}}]}`;

  test("I51 content types: charset=utf-8 is fine; others get 415 and the right one's name", async () => {
    const type = (text: string) => ({ "content-type": text });
    expect(
      (await post(fast.url + RPC, good, type('application/json; charset="UTF-8"'))).status,
    ).toBe(200);
    expect((await post(fast.url + REST, '{"value":{}}', type("application/x-ndjson"))).status).toBe(
      200,
    );
    for (const wrong of [
      "text/plain",
      "application/json; charset=utf-16",
      "application/x-www-form-urlencoded",
    ]) {
      const answer = await post(fast.url + REST, "[]", type(wrong));
      expect([answer.status, answer.body.message]).toEqual([
        415,
        expect.stringContaining("application/json"),
      ]);
    }
    expect(
      (await post(fast.url + RPC, good, type("application/json; charset=utf-16"))).status,
    ).toBe(415);
  });

  test("I53 a bad timeout is refused, a good one taken", async () => {
    for (const bad of ["abc", "-1", "99999999999"]) {
      expect((await post(fast.url + RPC, good, { "connect-timeout-ms": bad })).status).toBe(400);
    }
    expect((await post(fast.url + RPC, good, { "connect-timeout-ms": "5000" })).status).toBe(200);
  });

  test("B13: the header Idempotency-Key does what the field does", async () => {
    const headers = { "idempotency-key": "from-header" };
    const first = await post(fast.url + RPC, good, headers);
    const again = await post(fast.url + REST, '[{"value":{"l":1}}]', headers);
    expect(again.body).toEqual({ ...first.body, duplicate: true });
    const other = await post(fast.url + REST, '[{"value":{"l":2}}]', headers);
    expect([other.status, reasonIn(other.body)]).toEqual([409, "IDEMPOTENCY_KEY_REUSED"]);
    const both = good.replace("}]}", '}],"idempotencyKey":"other"}');
    expect((await post(fast.url + RPC, both, headers)).status).toBe(400);
  });

  test("a stream that the caller may not know is not found", async () => {
    const answer = await post(fast.url + RPC, good.replace("projects/demo", "projects/other"));
    expect(answer.status).toBe(404);
    expect((await post(`${fast.url}/v1/projects/other/streams/s/records`, "[")).status).toBe(404);
  });

  test("refuses callers before it reads their bodies; Expect: 100-continue works", async () => {
    const send = (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const request = httpRequest(fast.url + RPC, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "content-length": String(good.length),
            expect: "100-continue",
            ...headers,
          },
        });
        request.on("response", (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
          request.destroy();
        });
        request.on("error", reject);
        request.on("continue", () => {
          if (headers.authorization) request.end(good);
        });
        request.flushHeaders();
      });
    expect(await send({})).toBe(401);
    expect(await send(AUTHORIZATION)).toBe(200);
  });

  test("a caller that goes away in its body leaves nothing behind", async () => {
    const before = log.messages.length;
    await new Promise<void>((resolve) => {
      const request = httpRequest(fast.url + RPC, {
        method: "POST",
        headers: { ...AUTHORIZATION, "content-type": "application/json", "content-length": "1000" },
      });
      request.on("error", () => resolve());
      request.write("{", () => setTimeout(() => request.destroy(new Error("gone")), 30));
    });
    await expect.poll(() => admission.heldBytes()).toBe(0);
    expect(log.messages.length).toBe(before);
  });
});

describe("other protocols", () => {
  const headers = AUTHORIZATION;
  const record = (json: string) => ({
    payload: { case: "json" as const, value: Buffer.from(json) },
  });

  test("gRPC and Connect over HTTP/2 push through the same path", async () => {
    const transports = [
      createGrpcTransport({ baseUrl: fast.url }),
      createConnectTransport({ baseUrl: fast.url, httpVersion: "2", useBinaryFormat: true }),
      createConnectTransport({ baseUrl: fast.url, httpVersion: "1.1" }),
    ];
    for (const transport of transports) {
      const client = createClient(PushService, transport);
      const answer = await client.push(
        { stream: STREAM, records: [record('{"l":1.0}')] },
        { headers },
      );
      expect(answer.accepted).toBe(1n);
      expect(log.records().at(-1)).toBe('{"l":1.0}');
      await expect(
        client.push({ stream: STREAM, records: [record('{"l":1.5}')] }, { headers }),
      ).rejects.toSatisfy((e) => reasonOf(e) === "RECORD_INVALID");
    }
  });

  test("PushStream answers each request in order; an error answers its request only", async () => {
    const client = createClient(PushService, createGrpcTransport({ baseUrl: fast.url }));
    const before = log.records().length;
    async function* requests() {
      for (let i = 0; i < 300; i++) {
        const json = i % 10 === 3 ? '{"l":"bad"}' : `{"l":${i}}`;
        yield {
          push: {
            stream: i % 10 === 4 ? "projects/other/streams/x" : STREAM,
            records: [record(json)],
          },
        };
      }
    }
    const cases: (string | undefined)[] = [];
    let next = 0n;
    for await (const answer of client.pushStream(requests(), { headers })) {
      expect(answer.requestIndex).toBe(next++);
      cases.push(answer.result.case === "error" ? answer.result.value.reason : answer.result.case);
    }
    expect(cases).toEqual(
      Array.from({ length: 300 }, (_, i) =>
        i % 10 === 3 ? "RECORD_INVALID" : i % 10 === 4 ? "RESOURCE_NOT_FOUND" : "response",
      ),
    );
    const stored = log
      .records()
      .slice(before)
      .map((r) => (JSON.parse(r) as { l: number }).l);
    expect(stored).toEqual([...stored].sort((a, b) => a - b));
    expect(stored).toHaveLength(240);
  });

  test("PushStream ends when the caller's token is no longer good", async () => {
    let nowMs = 0;
    const strict = createPushService({
      ingest,
      admission,
      authorizePush,
      now: () => nowMs,
      recheck: () => {
        throw fail("TOKEN_INVALID", "the token was revoked");
      },
    });
    await using server = await startTestServer({
      services: [(router) => router.service(PushService, strict)],
    });
    const client = createClient(PushService, createGrpcTransport({ baseUrl: server.url }));
    async function* requests() {
      for (let i = 0; i < 5; i++) {
        yield { push: { stream: STREAM, records: [record(`{"l":${i}}`)] } };
        nowMs += 2500;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    let answered = 0;
    const run = async () => {
      for await (const _ of client.pushStream(requests(), { headers })) answered++;
    };
    await expect(run()).rejects.toSatisfy((e) => reasonOf(e) === "TOKEN_INVALID");
    expect(answered).toBe(2);
  });
});
