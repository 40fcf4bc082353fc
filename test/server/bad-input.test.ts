import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSession, sendHttp2, sendRaw } from "./raw-http.ts";
import { AUTHORIZATION, STREAM, startTestServer, type TestServer } from "./test-server.ts";

const GET_PROJECT = "/tributary.management.v1.ProjectService/GetProject";
const PUSH = "/tributary.push.v1.PushService/Push";
const BODY = '{"name":"projects/a"}';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ limits: { readMaxBytes: 1 << 20 } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Every refusal is followed by proof that the server still answers. */
async function expectAlive(): Promise<void> {
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
}

interface Post {
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly path?: string;
  readonly method?: string;
}

async function post({ body = BODY, headers = {}, path = GET_PROJECT, method = "POST" }: Post) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...AUTHORIZATION, "content-type": "application/json", ...headers },
    ...(method !== "GET" && { body: typeof body === "string" ? body : new Uint8Array(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text ? JSON.parse(text) : {},
  };
}

async function expectInvalid(request: Post): Promise<string> {
  const { status, json, text } = await post(request);
  expect([status, json.code]).toEqual([400, "invalid_argument"]);
  expect(text.length).toBeLessThan(1_500);
  expect(json.details[0].debug.domain).toBe("tributary");
  await expectAlive();
  return json.message;
}

describe("A: JSON form", () => {
  it.each([
    ["1", "empty body", ""],
    ["2", "no JSON", "hello"],
    ["3", "truncated", '{"name":"projects'],
    ["4", "array", "[]"],
    ["4", "null", "null"],
    ["4", "number", "1"],
    ["4", "string", '"x"'],
    ["5", "two documents", `${BODY}${BODY}`],
    ["5", "trailing text", `${BODY} x`],
  ])("bad input %s: %s is refused", async (_id, _what, body) => {
    await expectInvalid({ body });
  });
  it("bad input 2: a long text is not echoed", async () => {
    expect((await expectInvalid({ body: "z".repeat(10_000) })).length).toBeLessThan(200);
  });
});

describe("B: encoding", () => {
  it.each([
    ["6", "bytes FF FE", [0xff, 0xfe]],
    ["7", "overlong C0 AF", [0xc0, 0xaf]],
    ["8", "CESU surrogate", [0xed, 0xa0, 0x80]],
  ])("bad input %s: %s in a string is refused", async (_id, _what, bytes) => {
    const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(await expectInvalid({ body })).toContain("UTF-8");
  });
  it("bad input 9: a lone surrogate is refused, a pair is not", async () => {
    expect(await expectInvalid({ body: '{"name":"projects/\\ud800"}' })).toContain("surrogate");
    expect(await expectInvalid({ body: '{"name":"\\udc00\\ud800"}' })).toContain("surrogate");
    expect((await post({ body: '{"name":"\\ud83d\\ude00 \\\\ud800"}' })).status).toBe(200);
  });
  it("bad input 10: UTF-16 is refused", async () => {
    await expectInvalid({ body: Buffer.from(BODY, "utf16le") });
  });
  it("bad input 11: a byte order mark is taken", async () => {
    expect((await post({ body: `\ufeff${BODY}` })).status).toBe(200);
  });
});

describe("C to E: keys, numbers, depth", () => {
  it("bad input 13: duplicate keys are refused", async () => {
    await expectInvalid({ body: '{"name":"projects/a","name":"projects/b"}' });
  });
  it("bad input 18: an unknown field is refused by name", async () => {
    expect(await expectInvalid({ body: '{"name":"projects/a","nam":1}' })).toContain("nam");
  });
  it.each([
    ["29", 1_000, "["],
    ["30", 100_000, "["],
    ["31", 100_000, '{"a":'],
    ["32", 100_000, '{"unknown":['],
  ])("bad input %s: depth %i of %s is refused within 200 ms", async (_id, depth, piece) => {
    const startMs = performance.now();
    expect(await expectInvalid({ body: piece.repeat(depth).slice(0, 900_000) })).toContain(
      "64 levels",
    );
    expect(performance.now() - startMs).toBeLessThan(400);
  });
  it("bad input 34: limit + 1 byte: Connect 429, REST 413, both without a retry hint", async () => {
    const body = `{"name":"${"a".repeat(1 << 20)}"}`;
    const connect = await post({ body });
    expect([connect.status, connect.json.code]).toEqual([429, "resource_exhausted"]);
    expect(connect.headers.get("retry-after")).toBeNull();
    const rest = await post({
      body: `{"displayName":"${"a".repeat(1 << 20)}"}`,
      path: "/v1/projects",
    });
    expect([rest.status, rest.json.code]).toEqual([413, "resource_exhausted"]);
  });
});

describe("F: compression", () => {
  const gzip = { "content-encoding": "gzip" };
  it("bad input 36: a gzip bomb is refused and costs little memory", async () => {
    const bomb = gzipSync(Buffer.alloc(100 << 20));
    const before = process.memoryUsage().rss;
    expect((await post({ body: bomb, headers: gzip })).status).toBe(429);
    const rest = await post({ body: bomb, headers: gzip, path: "/v1/projects" });
    expect(rest.status).toBe(413);
    expect(process.memoryUsage().rss - before).toBeLessThan(50 << 20);
  });
  it("bad input 37: truncated gzip is refused", async () => {
    await expectInvalid({ body: gzipSync(BODY).subarray(0, 15), headers: gzip });
  });
  it("bad input 38: what is not gzip is refused", async () => {
    await expectInvalid({ body: BODY, headers: gzip });
  });
  it.each([
    ["39", "deflate"],
    ["40", "gzip, gzip"],
  ])("bad input %s: %s: Connect 501, REST 415", async (_id, encoding) => {
    const headers = { "content-encoding": encoding };
    expect((await post({ headers })).json.code).toBe("unimplemented");
    expect((await post({ headers, path: "/v1/projects", body: "{}" })).status).toBe(415);
  });
});

describe("G: protobuf", () => {
  const nested = Buffer.alloc(10_000, 0x0b);
  it.each([
    ["41", "premature end", Buffer.from([0x0a, 0x20, 0x61])],
    ["42", "bad UTF-8", Buffer.from([0x0a, 0x02, 0xff, 0xfe])],
    ["43", "length 2^31", Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08])],
    ["44", "10,000 nested groups", nested],
  ])("bad input %s: %s is refused over Connect and gRPC", async (_id, _what, body) => {
    await expectInvalid({ body, headers: { "content-type": "application/proto" } });
    const session = openSession(server.url);
    const frame = Buffer.concat([Buffer.alloc(5), body]);
    frame.writeUInt32BE(body.length, 1);
    const status = await new Promise<string>((resolve) => {
      const stream = session.request({
        ":method": "POST",
        ":path": GET_PROJECT,
        "content-type": "application/grpc",
        te: "trailers",
        ...AUTHORIZATION,
      });
      stream.on("response", (h) => h["grpc-status"] && resolve(String(h["grpc-status"])));
      stream.on("trailers", (h) => resolve(String(h["grpc-status"])));
      stream.resume();
      stream.end(frame);
    });
    session.destroy();
    expect(status).toBe("3");
  });
});

describe("H: headers", () => {
  const ask = (head: string) => sendRaw(server.port.port, `${head}\r\n\r\n`);
  it.each([
    ["a b/c", "Host: a b/c"],
    ["empty", "Host: "],
    ["a/b", "Host: a/b"],
    ["user@host", "Host: user@host"],
    ["bad port", "Host: h:99999999"],
    ["two hosts", "Host: a\r\nHost: b"],
    ["none", "X-A: b"],
  ])("bad input 45: Host %s is refused and the server lives", async (_what, host) => {
    for (const path of [GET_PROJECT, "/healthz", "/v1/projects/a", "/nothing"]) {
      const { status, body, head } = await ask(`GET ${path} HTTP/1.1\r\n${host}`);
      expect(status, path).toBe(400);
      expect(JSON.parse(body).code).toBe("invalid_argument");
      expect(head).toMatch(/x-request-id|connection: close/i);
    }
    await expectAlive();
  });
  it("bad input 45: HTTP/1.0 needs no Host, and an absolute target works", async () => {
    expect((await ask("GET /healthz HTTP/1.0")).status).toBe(200);
    expect((await ask("GET http://x/healthz HTTP/1.1\r\nHost: x")).status).toBe(200);
    expect((await ask("OPTIONS * HTTP/1.1\r\nHost: x")).status).toBe(400);
    await expectAlive();
  });
  it("bad input 45: a bad authority over HTTP/2 is refused", async () => {
    const session = openSession(server.url);
    const answer = await sendHttp2(session, { ":path": "/healthz", ":authority": "a b/c" });
    expect(answer.status === 400 || answer.reset !== 0).toBe(true);
    session.destroy();
    await expectAlive();
  });
  it("bad input 46: 60 KB of headers get 431 on both protocols", async () => {
    const raw = await ask(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${"a".repeat(60_000)}`);
    expect(raw.status).toBe(431);
    expect(JSON.parse(raw.body).code).toBe("invalid_argument");
    const session = openSession(server.url);
    const many = Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [`x-${i}`, "a".repeat(6_000)]),
    );
    const answer = await sendHttp2(session, { ":path": "/healthz", ...many });
    session.destroy();
    expect(answer.status === 431 || answer.reset !== 0).toBe(true);
    const other = openSession(server.url);
    const smaller = await sendHttp2(other, {
      ":path": "/healthz",
      "x-a": "a".repeat(9_000),
      "x-b": "b".repeat(9_000),
    });
    other.destroy();
    expect(smaller.status).toBe(431);
    await expectAlive();
  });
  it("bad input 47: 1,000 header pairs are refused", async () => {
    const session = openSession(server.url);
    const pairs = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`x-${i}`, "a"]));
    const answer = await sendHttp2(session, { ":path": "/healthz", ...pairs });
    expect(answer.status).not.toBe(200);
    session.destroy();
    await expectAlive();
  });
  it.each([
    ["48", "TE and CL", "Content-Length: 3\r\nTransfer-Encoding: chunked"],
    ["48", "two CLs", "Content-Length: 3\r\nContent-Length: 4"],
    ["49", "CR in a value", "X-A: a\rb"],
    ["49", "LF in a name", "X\nA: a"],
  ])("bad input %s: %s get 400 and the connection is closed", async (_id, _what, header) => {
    const { status, isClosed, body } = await ask(
      `POST ${GET_PROJECT} HTTP/1.1\r\nHost: x\r\n${header}`,
    );
    expect([status, isClosed]).toEqual([400, true]);
    expect(JSON.parse(body).code).toBe("invalid_argument");
    await expectAlive();
  });
});

describe("I: method and type", () => {
  it.each(["GET", "PUT", "DELETE", "PATCH"])(
    "bad input 50: %s on push gets 405 with Allow",
    async (method) => {
      const { status, headers, json } = await post({ path: PUSH, method });
      expect([status, headers.get("allow"), json.code]).toEqual([405, "POST", "unimplemented"]);
    },
  );
  it.each([
    "text/plain",
    "",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
  ])("bad input 51: content type %j gets 415 that names the right ones", async (type) => {
    for (const path of [GET_PROJECT, "/v1/projects"]) {
      const line = type ? `Content-Type: ${type}\r\n` : "";
      const { status, body } = await sendRaw(
        server.port.port,
        `POST ${path} HTTP/1.1\r\nHost: x\r\n${line}Authorization: Bearer good\r\nContent-Length: 2\r\n\r\n{}`,
      );
      expect(status).toBe(415);
      expect(JSON.parse(body).message).toContain("application/json");
    }
  });
  it.each([
    PUSH.toLowerCase(),
    "/x/../tributary.push.v1.PushService/Push",
    "/tributary.push.v1.PushService/%50ush",
    "//tributary.push.v1.PushService/Push",
    `${PUSH}/`,
  ])("bad input 52: path %s gets 404", async (path) => {
    const { status, body } = await sendRaw(
      server.port.port,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect([status, JSON.parse(body).code]).toEqual([404, "not_found"]);
  });
  it.each(["abc", "-1", "99999999999"])("bad input 53: timeout %s is refused", async (timeout) => {
    await expectInvalid({ headers: { "connect-timeout-ms": timeout } });
    await expectInvalid({
      headers: { "connect-timeout-ms": timeout },
      path: `/v1/${STREAM}/sinks/k:pause`,
      body: "{}",
    });
  });
});
