import { readFileSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createStream,
  type ErrorBody,
  listAll,
  push,
  reasonIn,
  violationsIn,
} from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let stream: string;
let token: string;

beforeAll(async () => {
  server = await startServer();
  token = await server.token();
  stream = await createStream(server, "strict", {
    fields: {
      name: "STRING",
      whole: "LONG?",
      real: "DOUBLE?",
      at: "TIMESTAMP?",
      bytes: "BINARY?",
      any: "JSON?",
    },
    keyFields: ["name"],
  });
});
afterAll(() => server?.close());

interface Sent {
  body: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  method?: string;
  path?: string;
}

const REST = "/v1/{stream}/records";
const RPC = "/tributary.push.v1.PushService/Push";

async function send({ body, headers, method = "POST", path = REST }: Sent) {
  const startedAt = performance.now();
  const answer = await fetch(`${server.url}${path.replace("{stream}", stream)}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      ...headers,
    },
    ...(method === "GET" ? {} : { body }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await answer.text();
  let json: ErrorBody = {};
  try {
    json = JSON.parse(text) as ErrorBody;
  } catch {
    // Judged by the caller: every refusal has a JSON body.
  }
  return { status: answer.status, text, json, tookMs: performance.now() - startedAt };
}

/** Nothing of a bad call may be stored, and a good call is answered as quickly as ever. */
async function expectNothingStored(marker: string): Promise<void> {
  const all = await listAll(server, stream);
  expect(all.filter((r) => JSON.stringify(r.value).includes(marker))).toEqual([]);
  const startedAt = performance.now();
  expect((await push(server, stream, [{ name: "good" }])).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
}

const inArray = (record: string) => `[{"value":{"name":"first"}},{"value":${record}}]`;
const raw = (...parts: (string | number[])[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
const nested = (depth: number, open: string, close: string) =>
  `${open.repeat(depth)}1${close.repeat(depth)}`;

/** Bodies of one array whose record 1 is at fault: 400 names the record, and the field where there is one. */
const BAD_RECORDS: [id: string, record: string, field: RegExp][] = [
  ["wrong type", '{"name":7}', /name/],
  ["unknown field", '{"name":"bad","nmae":"x"}', /nmae/],
  ["missing required field", '{"whole":1}', /name/],
  ["null in a key", '{"name":null}', /name/],
  ["26 NaN", '{"name":"bad","real":NaN}', /./],
  ['27 "NaN" in a DOUBLE', '{"name":"bad","real":"NaN"}', /real/],
  ["19 1e400 into DOUBLE", '{"name":"bad","real":1e400}', /real/],
  ["21 2^63 into LONG", '{"name":"bad","whole":9223372036854775808}', /whole/],
  ["23 1.5 into LONG", '{"name":"bad","whole":1.5}', /whole/],
  ["26 +1", '{"name":"bad","whole":+1}', /./],
  ["26 01", '{"name":"bad","whole":01}', /./],
  ["26 0x10", '{"name":"bad","whole":0x10}', /./],
  ["9 lone surrogate", '{"name":"bad\\ud800"}', /./],
  ["14 duplicate key in one object", '{"name":"bad","name":"bad2"}', /name/],
  ["14 duplicate key in a JSON field", '{"name":"bad","any":{"a":1,"a":2}}', /./],
  ["15 __proto__ in a strict stream", '{"name":"bad","__proto__":{}}', /__proto__/],
  ["16 constructor in a strict stream", '{"name":"bad","constructor":{}}', /constructor/],
  ["28 depth 65", `{"name":"bad","any":${nested(65, "[", "]")}}`, /./],
  ["29 depth 1,000", `{"name":"bad","any":${nested(1_000, "[", "]")}}`, /./],
  ["30 depth 100,000 of arrays", `{"name":"bad","any":${nested(100_000, "[", "]")}}`, /./],
  ["31 depth 100,000 of objects", `{"name":"bad","any":${nested(100_000, '{"a":', "}")}}`, /./],
  ["32 depth 100,000 in an unknown field", `{"name":"bad","x":${nested(100_000, "[", "]")}}`, /./],
  ["57 bad base64", '{"name":"bad","bytes":"%%%"}', /bytes/],
  ["57 TIMESTAMP without zone", '{"name":"bad","at":"2026-01-01T00:00:00"}', /at/],
  ["57 year 10000", '{"name":"bad","at":"10000-01-01T00:00:00Z"}', /at/],
  ["57 leap second", '{"name":"bad","at":"2026-01-01T00:00:60Z"}', /at/],
];

test.each(BAD_RECORDS)(
  "F21: %s is 400, names record 1 and what is wrong, and stores nothing of the call",
  async (_, record, field) => {
    const answer = await send({ body: inArray(record) });
    expect(answer.status, answer.text.slice(0, 500)).toBe(400);
    expect(answer.json.code).toBe("invalid_argument");
    const words = `${answer.json.message} ${JSON.stringify(violationsIn(answer.json))}`;
    expect(words).toMatch(field);
    expect(words).toMatch(/\b1\b|position|byte|offset/);
    expect(answer.text.length).toBeLessThan(4_000);
    expect(answer.tookMs).toBeLessThan(1_000);
    await expectNothingStored("first");
  },
);

/** Whole bodies that are at fault. */
const BAD_BODIES: [id: string, sent: Sent, status: number[]][] = [
  ["1 empty body", { body: "" }, [400]],
  ["2 hello", { body: "hello" }, [400]],
  ["3 truncated", { body: '[{"value":{"name":"ba' }, [400]],
  ["4 top-level null", { body: "null" }, [400]],
  ["4 top-level 1", { body: "1" }, [400]],
  ["4 top-level string", { body: '"x"' }, [400]],
  ["4 empty array", { body: "[]" }, [400]],
  ["5 two documents", { body: '{"value":{"name":"bad"}} {"value":{"name":"bad"}}' }, [400]],
  ["5 trailing text", { body: '[{"value":{"name":"bad"}}] x' }, [400]],
  [
    "Push: 5 two documents",
    { body: '{"stream":"{stream}","records":[{"value":{"name":"bad"}}]} {}', path: RPC },
    [400],
  ],
  ["6 FF FE in a string", { body: raw('[{"value":{"name":"bad', [0xff, 0xfe], '"}}]') }, [400]],
  ["7 overlong C0 AF", { body: raw('[{"value":{"name":"bad', [0xc0, 0xaf], '"}}]') }, [400]],
  ["8 CESU surrogate", { body: raw('[{"value":{"name":"bad', [0xed, 0xa0, 0x80], '"}}]') }, [400]],
  [
    "10 UTF-16",
    { body: new Uint8Array(Buffer.from('[{"value":{"name":"bad"}}]', "utf16le")) },
    [400],
  ],
  ["18 unknown envelope field", { body: '[{"value":{"name":"bad"},"valeu":{}}]' }, [400]],
  ["34 16 MiB + 1", { body: " ".repeat(16 * 1024 * 1024 + 1) }, [413]],
  [
    "35 a record over its limit",
    { body: `[{"value":{"name":"${"b".repeat(1 << 20)}"}}]` },
    [400, 413],
  ],
  [
    "37 truncated gzip",
    {
      body: new Uint8Array(gzipSync('[{"value":{"name":"bad"}}]').subarray(0, 20)),
      headers: { "content-encoding": "gzip" },
    },
    [400],
  ],
  ["38 not gzip", { body: "hello", headers: { "content-encoding": "gzip" } }, [400]],
  ["39 unknown encoding", { body: "[]", headers: { "content-encoding": "rot13" } }, [415]],
  ["40 gzip, gzip", { body: "[]", headers: { "content-encoding": "gzip, gzip" } }, [415]],
  ["50 PUT", { body: "[]", method: "PUT" }, [405]],
  ["50 GET on push", { body: "", method: "GET", path: RPC }, [405]],
  ["51 text/plain", { body: "[]", headers: { "content-type": "text/plain" } }, [415]],
  [
    "51 charset=utf-16",
    { body: "[]", headers: { "content-type": "application/json; charset=utf-16" } },
    [415],
  ],
  ["52 wrong case of the path", { body: "{}", path: "/tributary.push.v1.pushservice/push" }, [404]],
  ["52 %50ush", { body: "{}", path: "/tributary.push.v1.PushService/%50ush" }, [404]],
  [
    "53 timeout abc",
    { body: '{"stream":"{stream}"}', path: RPC, headers: { "connect-timeout-ms": "abc" } },
    [400],
  ],
  [
    "53 timeout -1",
    { body: '{"stream":"{stream}"}', path: RPC, headers: { "connect-timeout-ms": "-1" } },
    [400],
  ],
  ["58 dots in an id", { body: "[]", path: "/v1/projects/demo/streams/a.b/records" }, [400, 404]],
  ["58 > in an id", { body: "[]", path: "/v1/projects/demo/streams/%3E/records" }, [400, 404]],
  [
    "Push: unknown field",
    { body: '{"stream":"projects/demo/streams/strict","recrods":[]}', path: RPC },
    [400],
  ],
  [
    "Push: 13 duplicate top keys",
    {
      body: '{"stream":"a","stream":"projects/demo/streams/strict","records":[{"value":{"name":"bad"}}]}',
      path: RPC,
    },
    [400],
  ],
  [
    "Push: no records",
    { body: '{"stream":"projects/demo/streams/strict","records":[]}', path: RPC },
    [400],
  ],
  [
    "Push: 41 premature end of protobuf",
    { body: raw([0x0a, 0x7f, 0x61]), path: RPC, headers: { "content-type": "application/proto" } },
    [400],
  ],
  [
    "Push: 42 bad UTF-8 in protobuf",
    {
      body: raw([0x0a, 0x02, 0xff, 0xfe]),
      path: RPC,
      headers: { "content-type": "application/proto" },
    },
    [400],
  ],
  [
    "Push: 43 length 2^31 in protobuf",
    {
      body: raw([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08]),
      path: RPC,
      headers: { "content-type": "application/proto" },
    },
    [400],
  ],
  [
    "Push: 44 10,000 nested groups",
    {
      body: raw(Array(10_000).fill(0x3b)),
      path: RPC,
      headers: { "content-type": "application/proto" },
    },
    [400],
  ],
];

test.each(BAD_BODIES)(
  "%s is refused with a JSON body and stores nothing",
  async (_, sent, statuses) => {
    const body = typeof sent.body === "string" ? sent.body.replace("{stream}", stream) : sent.body;
    const answer = await send({ ...sent, body });
    expect(statuses, `${answer.status} ${answer.text.slice(0, 300)}`).toContain(answer.status);
    expect(answer.json.code, answer.text.slice(0, 300)).toBeTruthy();
    expect(answer.json.message).not.toMatch(/node_modules|\.ts:\d+/);
    expect(answer.text.length).toBeLessThan(4_000);
    await expectNothingStored("bad");
  },
);

test("36: a gzip bomb is refused without growing the server", async () => {
  const bomb = new Uint8Array(gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20)));
  const before = residentBytes(server.child.pid ?? 0);
  const answer = await send({ body: bomb, headers: { "content-encoding": "gzip" } });
  expect(answer.status).toBe(413);
  expect(residentBytes(server.child.pid ?? 0) - before).toBeLessThan(80 * 1024 * 1024);
  await expectNothingStored("bad");
});

/** Odd input that is good. */
const GOOD: [id: string, record: string][] = [
  ["11 a byte order mark", "\ufeff"],
  ["12 \\u0000 in a JSON field", '{"name":"good","any":"a\\u0000b"}'],
  ["15 __proto__ as data", '{"name":"good","any":{"__proto__":{"polluted":1}}}'],
  [
    "16 constructor.prototype as data",
    '{"name":"good","any":{"constructor":{"prototype":{"x":1}}}}',
  ],
  ["17 the key toString as data", '{"name":"good","any":{"toString":1}}'],
  ["24 1.0 and 1e2 into LONG", '{"name":"good","whole":1e2}'],
  ["25 -0 and 1e-400", '{"name":"good","any":[-0,1e-400]}'],
  ["28 depth 64", `{"name":"good","any":${nested(60, "[", "]")}}`],
];

test.each(GOOD)("%s is taken and stored as it came", async (_, record) => {
  const body = record === "\ufeff" ? '\ufeff[{"value":{"name":"good"}}]' : `[{"value":${record}}]`;
  const answer = await send({ body });
  expect(answer.status, answer.text).toBe(200);
  if (record === "\ufeff") return;
  const page = await (await server.get(`/v1/${stream}/records?pageSize=1000`)).text();
  expect(page).toContain(record);
});

/** What a raw connection gets: the status line, or nothing when it was closed. */
async function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve) => {
    let got = "";
    const socket = tcpConnect(Number(port), hostname, () => socket.write(text));
    socket.setTimeout(12_000, () => socket.destroy());
    socket.on("data", (chunk) => (got += chunk)).on("error", () => {});
    socket.on("close", () => resolve(got.split("\r\n", 1)[0] ?? ""));
  });
}

test.each([
  ["45 Host: a b/c", "GET /healthz HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n"],
  ["45 an empty Host", "GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"],
  [
    "48 TE and CL",
    "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
  ],
  [
    "48 two CLs",
    "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
  ],
  [
    "49 CR in a header",
    "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\nConnection: close\r\n\r\n",
  ],
])("%s is 400, and the server lives", async (_, text) => {
  expect(await sendRaw(text)).toMatch(/^HTTP\/1\.1 400/);
  await expectNothingStored("bad");
});

/** Credentials that must not pass. */
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const BAD_CREDENTIALS: [id: string, headers: () => Record<string, string>, status: number][] = [
  ["no token", () => ({ authorization: "" }), 401],
  [
    "60 alg none",
    () => ({
      authorization: `Bearer ${b64({ alg: "none", typ: "at+jwt" })}.${token.split(".")[1]}.`,
    }),
    401,
  ],
  ["60 a changed signature", () => ({ authorization: `Bearer ${token.slice(0, -6)}AAAAAA` }), 401],
  [
    "60 a kid that is a path",
    () => ({
      authorization: `Bearer ${b64({ alg: "ES256", kid: "../../etc/passwd", typ: "at+jwt" })}.${token.split(".").slice(1).join(".")}`,
    }),
    401,
  ],
  ["60 a token of 100 KB", () => ({ authorization: `Bearer ${"a".repeat(100_000)}` }), 431],
  ["60 another scheme", () => ({ authorization: `Token ${token}` }), 401],
];

test.each(BAD_CREDENTIALS)("%s is refused and stores nothing", async (_, headers, status) => {
  const answer = await fetch(`${server.url}/v1/${stream}/records`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers() },
    body: '[{"value":{"name":"bad"}}]',
  });
  expect(answer.status).toBe(status);
  if (status === 401) expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
  await expectNothingStored("bad");
});

test("another project's stream is 404 or 403 in the words of one that does not exist", async () => {
  const answers = await Promise.all(
    ["projects/other/streams/strict", "projects/demo/streams/absent"].map((name) =>
      send({ body: "[]", path: `/v1/${name}/records` }),
    ),
  );
  const words = answers.map(({ status, json }) =>
    `${status} ${reasonIn(json)} ${json.message}`.replace(/projects\/\w+\/streams\/\w+/, "X"),
  );
  expect(words[0]).toBe(words[1]);
});

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
