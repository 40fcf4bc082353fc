import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ApiError,
  call,
  createSink,
  createStream,
  type ErrorBody,
  listAll,
  reasonIn,
  violationsIn,
} from "../support/api.ts";
import {
  embeddedPid,
  endEmbedded,
  startServer,
  type TestServer,
  waitFor,
} from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ env: { TRUSTED_PROXIES: "127.0.0.1" } });
});
afterAll(() => server?.close());

const FIELDS = { sensor: "STRING", temperature: "DOUBLE?", id: "STRING?" };
const GOOD = { sensor: "bar4", temperature: 4.1 };

interface SourceView {
  name: string;
  url: string;
  publicId: string;
  warning?: string;
  etag: string;
  keys?: { keyId: string; hint: string; lastUsedTime?: string; endTime?: string }[];
  stats?: Record<string, string>;
}
interface Made {
  source: SourceView;
  secret: string;
  url: string;
}

let streams = 0;
async function openSource(
  source: Record<string, unknown>,
  fields: Record<string, string> = FIELDS,
): Promise<Made & { stream: string }> {
  const stream = await createStream(server, `in-${++streams}`, { fields });
  const made = await create(stream, "hook", source);
  return { ...made, stream };
}

const create = (parent: string, sourceId: string, source: Record<string, unknown>) =>
  call<Made>(server, "management.v1.SourceService/CreateSource", { parent, sourceId, source });

interface Answer {
  status: number;
  body: ErrorBody & {
    accepted?: string;
    quarantined?: string;
    duplicate?: boolean;
    firstPlace?: string;
  };
  headers: Headers;
}

async function post(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    body: method === "GET" ? null : (body as RequestInit["body"] & {}),
    headers,
  });
  const text = await answer.text();
  let parsed: unknown = {};
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = { message: text };
  }
  return { status: answer.status, body: parsed as Answer["body"], headers: answer.headers };
}

const values = async (stream: string) => (await listAll(server, stream)).map((r) => r.value);

describe("keys in a header", () => {
  test("S07 S08 S18: a POST with the key is answered 200 and is in the stream within a second", async () => {
    const { url, secret, stream, source } = await openSource({ apiKey: {} });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/in\/[A-Za-z0-9_-]{25}$/);
    expect(secret).toMatch(/^tribkey_[A-Za-z0-9_-]{48}$/);
    const answer = await post(url, JSON.stringify(GOOD), { "x-api-key": secret });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.body).toEqual({
      accepted: "1",
      firstPlace: expect.stringMatching(/^\d+-0$/),
    });
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await values(stream)).toEqual([GOOD]);

    const missing = await post(url, JSON.stringify(GOOD));
    const wrong = await post(url, JSON.stringify(GOOD), { "x-api-key": `${secret}x` });
    expect([missing.status, wrong.status]).toEqual([401, 401]);
    expect(missing.headers.get("www-authenticate")).toBe('ApiKey header="x-api-key"');
    expect(reasonIn(wrong.body)).toBe("KEY_INVALID");
    expect(await values(stream)).toHaveLength(1);
    // S09: later reads give first characters, never the key.
    const read = await call<{ source: SourceView }>(
      server,
      "management.v1.SourceService/GetSource",
      { name: source.name },
    );
    expect(JSON.stringify(read)).not.toContain(secret);
    expect(read.source.keys?.[0]?.hint).toBe(secret.slice(0, 12));
  });

  test("S08 S09: another header's name; two keys work while one is rotated, then the old one gets 401", async () => {
    const { url, secret, source } = await openSource({ apiKey: { header: "strech-api-key" } });
    const send = async (key: string) =>
      (await post(url, JSON.stringify(GOOD), { "Strech-Api-Key": key })).status;
    expect(await send(secret)).toBe(200);
    const rotate = (overlap: string) =>
      call<{ secret: string; source: SourceView; oldKeysEndTime: string }>(
        server,
        "management.v1.SourceService/RotateSourceKey",
        { name: source.name, overlap },
      );
    const second = await rotate("60s");
    expect(await send(secret)).toBe(200);
    expect(await send(second.secret)).toBe(200);
    expect(second.source.keys).toHaveLength(2);
    const third = await rotate("0s");
    expect(await send(secret)).toBe(401);
    expect(await send(second.secret)).toBe(401);
    expect(await send(third.secret)).toBe(200);
    expect(third.source.keys).toHaveLength(1);
  });
});

describe("bodies", () => {
  test("B14 S06: an object, arrays, NDJSON, comma-joined and wrapped bodies, with any content type that is not another format", async () => {
    const { url, secret, stream } = await openSource({ apiKey: {} });
    const key = { "x-api-key": secret };
    const a = JSON.stringify(GOOD);
    const b = '{ "sensor": "x",\n "temperature": 1e2 }';
    const bodies: [string, number][] = [
      [a, 1],
      [`[${a},${b}]`, 2],
      [`${a}\n${b}\n`, 2],
      [`${a},${b}`, 2],
      [`${a},\n${b},${a}`, 3],
      [`[{"value":${a}},{"value":${b}}]`, 2],
      [`{"value":${a}}`, 1],
      [`{"id":"e1","value":${a}}\n{"value":${a},"id":"e2"}`, 2],
      [`\ufeff${a}`, 1],
    ];
    for (const [body, count] of bodies) {
      const answer = await post(url, body, { ...key, "content-type": "application/json" });
      expect([body, answer.status, answer.body.accepted]).toEqual([body, 200, String(count)]);
    }
    for (const type of [
      "application/x-www-form-urlencoded",
      "text/plain",
      "application/vnd.api+json; charset=utf-8",
      "application/x-ndjson",
    ]) {
      expect([type, (await post(url, a, { ...key, "content-type": type })).status]).toEqual([
        type,
        200,
      ]);
    }
    expect(await postRaw(url, a, key)).toBe(200);
    for (const type of [
      "application/xml",
      "text/csv",
      "image/png",
      "application/json; charset=utf-16",
    ]) {
      const answer = await post(url, a, { ...key, "content-type": type });
      expect([type, answer.status]).toEqual([type, 415]);
      expect(answer.body.message).toContain("application/json");
    }
    for (const [encoding, body] of [
      ["gzip", gzipSync(a)],
      ["br", brotliCompressSync(a)],
      ["zstd", zstdCompressSync(a)],
    ] as const) {
      const answer = await post(url, body, { ...key, "content-encoding": encoding });
      expect([encoding, answer.status]).toEqual([encoding, 200]);
    }
    expect((await post(url, a, { ...key, "content-encoding": "lzma" })).status).toBe(415);
    const ids = (await listAll(server, stream)).flatMap((record) => record.producerId ?? []);
    expect(ids).toEqual(["e1", "e2"]);
  });

  test("S06: what is no JSON gets 400 with its position, a bad record 400 with index and field; nothing is stored", async () => {
    const { url, secret, stream } = await openSource({ apiKey: {} });
    const send = (body: string | Uint8Array) => post(url, body, { "x-api-key": secret });
    const a = JSON.stringify(GOOD);
    const cut = await send('{"sensor":\n tru}');
    expect(cut.status).toBe(400);
    expect(cut.body.message).toContain("line 2, column 2");
    for (const body of [
      "",
      "sensor,temperature\nbar4,1",
      "<a/>",
      `${a} ${a}`,
      `${a},`,
      `[${a}`,
      `[${a}]]`,
      `[]`,
      Buffer.from([0xff, 0xfe]),
    ]) {
      const answer = await send(body);
      expect([String(body), answer.status]).toEqual([String(body), 400]);
    }
    const bad = await send(`[${a},{"sensor":7},{"sensor":"x","more":1}]`);
    expect(bad.status).toBe(400);
    expect(reasonIn(bad.body)).toBe("RECORD_INVALID");
    expect(violationsIn(bad.body).map((v) => v.field)).toEqual([
      "records[1].sensor",
      "records[2].more",
    ]);
    for (const body of ["1", '"text"', "null", "[[1]]"]) {
      expect((await send(body)).status).toBe(400);
    }
    const large = await send(`{"sensor":"${"x".repeat(17 * 1024 * 1024)}"}`);
    expect(large.status).toBe(413);
    expect((await send(gzipSync("[".padEnd(20 * 1024 * 1024)))).status).toBe(400);
    expect(await values(stream)).toEqual([]);
  });

  test("B13: the same Idempotency-Key stores once; with another body 409", async () => {
    const { url, secret, stream } = await openSource({ apiKey: {} });
    const send = (body: unknown) =>
      post(url, JSON.stringify(body), { "x-api-key": secret, "idempotency-key": "k1" });
    const first = await send(GOOD);
    const again = await send(GOOD);
    expect(again.body).toEqual({ ...first.body, duplicate: true });
    expect((await send({ sensor: "other" })).status).toBe(409);
    expect(await values(stream)).toEqual([GOOD]);
  });

  test("over HTTP/2 as over HTTP/1.1", async () => {
    const { url, secret, stream } = await openSource({ apiKey: {} });
    const { origin, pathname } = new URL(url);
    const session = connectHttp2(origin);
    const request = session.request({
      ":method": "POST",
      ":path": pathname,
      "x-api-key": secret,
    });
    request.end(JSON.stringify(GOOD));
    const [head] = (await once(request, "response")) as [Record<string, unknown>];
    expect(head[":status"]).toBe(200);
    session.destroy();
    expect(await values(stream)).toEqual([GOOD]);
  });

  test("K26: a record's id is taken from its path, and a record without one is refused", async () => {
    const { url, secret, stream } = await openSource({ apiKey: {}, recordIdPath: "id" });
    const send = (body: string) => post(url, body, { "x-api-key": secret });
    expect((await send('{"sensor":"a","id":"e-\\u0031"}')).status).toBe(200);
    const refused = await send('{"sensor":"a"}');
    expect(refused.status).toBe(400);
    expect(refused.body.message).toContain("record_id_path");
    expect((await listAll(server, stream)).map((record) => record.producerId)).toEqual(["e-1"]);
  });
});

describe("other ways to be let in", () => {
  test("K01 S07: a secret in the address; wrong secrets, unknown and disabled sources get one 404", async () => {
    const { url, secret, source, stream } = await openSource({ secretUrl: {} });
    expect(url).toBe(`${server.url}/in/${source.publicId}/${secret}`);
    expect((await post(url, JSON.stringify(GOOD))).status).toBe(200);
    const bare = `${server.url}/in/${source.publicId}`;
    const refused = await Promise.all([
      post(`${url}x`, "{}"),
      post(bare, "{}"),
      post(`${server.url}/in/${"z".repeat(25)}`, "{}"),
      post(`${bare}/${"y".repeat(43)}`, "", {}, "GET"),
      post(`${server.url}/in/`, "{}"),
      post(`${url}/more`, "{}"),
    ]);
    for (const answer of refused) {
      expect([answer.status, reasonIn(answer.body), answer.body.message]).toEqual([
        404,
        "SOURCE_NOT_FOUND",
        refused[0]!.body.message,
      ]);
    }
    expect((await post(url, "", {}, "GET")).status).toBe(405);
    await call(server, "management.v1.SourceService/UpdateSource", {
      source: { name: source.name, disabled: true },
      updateMask: "disabled",
    });
    expect((await post(url, JSON.stringify(GOOD))).status).toBe(404);
    expect(await values(stream)).toHaveLength(1);
  });

  test("S10: addresses and ranges of senders, through a trusted proxy", async () => {
    const { url } = await openSource({
      address: {},
      allowedAddresses: ["192.0.2.7", "10.1.0.0/16", "203.0.113.5-203.0.113.9", "2001:db8::/32"],
    });
    const from = async (address: string) =>
      (await post(url, JSON.stringify(GOOD), { "x-forwarded-for": address })).status;
    for (const inside of [
      "192.0.2.7",
      "10.1.255.1",
      "203.0.113.9",
      "2001:db8::5",
      "::ffff:192.0.2.7",
      "1.1.1.1, 192.0.2.7",
    ]) {
      expect([inside, await from(inside)]).toEqual([inside, 200]);
    }
    for (const outside of ["192.0.2.8", "203.0.113.10", "2001:db9::", "192.0.2.7, 1.1.1.1"]) {
      expect([outside, await from(outside)]).toEqual([outside, 403]);
    }
    expect((await post(url, "{}")).status).toBe(403);
    const stream = await createStream(server, "bad-range", { fields: FIELDS });
    const bad = create(stream, "x", {
      address: {},
      allowedAddresses: ["10.0.0.9-10.0.0.1", "::1"],
    });
    await expect(bad).rejects.toThrow(/allowed_addresses\[0\]/);
    await expect(create(stream, "y", { address: {} })).rejects.toThrow(/allowed_addresses/);
  });

  test("Basic, and a bearer token with a grant on the stream", async () => {
    const basic = await openSource({ basic: { username: "device" } });
    const header = (user: string, password: string) => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
    });
    const good = await post(basic.url, JSON.stringify(GOOD), header("device", basic.secret));
    const wrong = await post(basic.url, JSON.stringify(GOOD), header("device", "x"));
    const other = await post(basic.url, JSON.stringify(GOOD), header("other", basic.secret));
    expect([good.status, wrong.status, other.status]).toEqual([200, 401, 401]);
    expect(wrong.headers.get("www-authenticate")).toContain("Basic");

    const bearer = await openSource({ bearer: {} });
    const authorization = `Bearer ${await server.token()}`;
    expect((await post(bearer.url, JSON.stringify(GOOD), { authorization })).status).toBe(200);
    expect((await post(bearer.url, JSON.stringify(GOOD))).status).toBe(401);
    const tampered = { authorization: `${authorization.slice(0, -3)}abc` };
    expect((await post(bearer.url, JSON.stringify(GOOD), tampered)).status).toBe(401);
  });

  test("S11 S12: no authentication needs an acknowledgement, is warned of and counted apart", async () => {
    const stream = await createStream(server, "open", { fields: FIELDS });
    await expect(create(stream, "open", { none: {} })).rejects.toThrow(/acknowledged/);
    await expect(create(stream, "open", {})).rejects.toThrow(/authentication/);
    const { source, url, secret } = await create(stream, "open", { none: { acknowledged: true } });
    expect(source.warning).toContain("no authentication");
    expect(secret ?? "").toBe("");
    expect((await post(url, JSON.stringify([GOOD, GOOD]))).status).toBe(200);
    await waitFor(
      async () => {
        const read = await call<{ source: SourceView }>(
          server,
          "management.v1.SourceService/GetSource",
          { name: source.name },
        );
        return read.source.stats?.unauthenticatedRecords === "2";
      },
      { what: "counts", timeoutMs: 15_000 },
    );
  });

  test("B08: a signed webhook is taken once, a tampered one never; Slack's question is answered", async () => {
    const secret = "8f742231b10e8888abcd99yyyzzz85a5";
    const { url, stream } = await openSource(
      {
        signature: { scheme: "SLACK", secret },
        challenges: { slackUrlVerification: true },
      },
      { type: "STRING" },
    );
    const sign = (body: string, seconds = Math.floor(Date.now() / 1000)) => ({
      "content-type": "application/json",
      "x-slack-request-timestamp": String(seconds),
      "x-slack-signature": `v0=${createHmac("sha256", secret).update(`v0:${seconds}:${body}`).digest("hex")}`,
    });
    const body = '{ "type": "event" }';
    const headers = sign(body);
    const first = await post(url, body, headers);
    const repeat = await post(url, body, headers);
    expect([first.status, repeat.status, repeat.body.duplicate]).toEqual([200, 200, true]);
    const tampered = await post(url, '{ "type": "evenX" }', headers);
    const old = await post(url, body, sign(body, Math.floor(Date.now() / 1000) - 301));
    const none = await post(url, body);
    expect([tampered.status, old.status, none.status]).toEqual([401, 401, 401]);
    const question = '{"type":"url_verification","challenge":"3eZbrw1aB"}';
    const answer = await fetch(url, { method: "POST", body: question, headers: sign(question) });
    expect([answer.status, await answer.text()]).toEqual([200, "3eZbrw1aB"]);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await values(stream)).toEqual([{ type: "event" }]);
  });

  test("K26: GET, PUT and OPTIONS get 405 unless they are asked for", async () => {
    const { url, source } = await openSource({
      none: { acknowledged: true },
      challenges: { echoParameter: "hub.challenge", cloudEvents: true },
    });
    for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await post(url, "{}", {}, method);
      expect([method, answer.status, answer.headers.get("allow")]).toEqual([method, 405, "POST"]);
    }
    const echo = await fetch(`${url}?hub.mode=subscribe&hub.challenge=115%3Cb%3E`);
    expect([echo.status, await echo.text()]).toEqual([200, "115<b>"]);
    expect(echo.headers.get("x-content-type-options")).toBe("nosniff");
    const shake = await fetch(url, {
      method: "OPTIONS",
      headers: { "webhook-request-origin": "events.example.com" },
    });
    expect([shake.status, shake.headers.get("webhook-allowed-origin")]).toEqual([
      200,
      "events.example.com",
    ]);
    expect(source.name).toContain("/sources/");
  });
});

test("F03: a REQUEST source stores any request whole, raw, without credentials", async () => {
  const parent = "projects/demo";
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    { parent, streamId: "raw", stream: { schema: { preset: "HTTP_REQUEST" } } },
  );
  const { url, secret, source } = await create(stream.name, "any", {
    apiKey: {},
    mode: "REQUEST",
    methods: ["PUT"],
  });
  const key = { "x-api-key": secret, cookie: "a=b", "x-event": "push" };
  const json = '{"deep":{"n":9007199254740993}, "list":[1,2]}';
  const sent: [string | Uint8Array, Record<string, string>, string][] = [
    [json, { "content-type": "application/json" }, "POST"],
    ["<a>text</a>", { "content-type": "application/xml" }, "PUT"],
    [Buffer.from([0xff, 0, 1]), { "content-type": "image/png" }, "POST"],
    ["", {}, "POST"],
    ['{"a":1,"a":2}', {}, "POST"],
  ];
  for (const [body, headers, method] of sent) {
    const answer = await post(`${url}?x=1&y=%20`, body, { ...key, ...headers }, method);
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([200, expect.anything()]);
  }
  const records = (await values(stream.name)) as Record<string, unknown>[];
  expect(records[0]).toMatchObject({
    method: "POST",
    path: `/in/${source.publicId}`,
    query: "x=1&y=%20",
    address: "127.0.0.1",
    content_type: "application/json",
    headers: { "x-event": "push", "content-type": "application/json" },
  });
  const headers = records[0]?.headers as Record<string, string>;
  expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(["x-api-key"]));
  expect(headers.cookie).toBeUndefined();
  expect(JSON.stringify(records)).not.toContain(secret);
  expect(records[1]).toMatchObject({ method: "PUT", body_text: "<a>text</a>" });
  expect(records[2]).toMatchObject({ body_base64: "/wAB" });
  expect(Object.keys(records[3] ?? {}).some((name) => name.startsWith("body"))).toBe(false);
  expect(records[4]).toMatchObject({ body_text: '{"a":1,"a":2}' });

  const plain = await createStream(server, "not-raw", { fields: FIELDS });
  const refused = create(plain, "any", { apiKey: {}, mode: "REQUEST" });
  await expect(refused).rejects.toThrow(/HTTP_REQUEST/);
  await expect(create(plain, "pulled", { apiKey: {}, mode: "POLL" })).rejects.toThrow(
    "source.poll",
  );
});

test("a bad record goes to quarantine, the others are taken; it is fixed and sent again, or discarded", async () => {
  const { url, secret, stream, source } = await openSource({ apiKey: {}, quarantine: true });
  const key = { "x-api-key": secret };
  const good = (n: number) => JSON.stringify({ sensor: `s${n}` });
  const lines = [good(1), '{"sensor":7}', '{"sensor":', good(2), '{"other":1}', good(3)].join("\n");
  const answer = await post(url, lines, key);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  expect(answer.body).toMatchObject({ accepted: "3", quarantined: "3" });
  expect(await values(stream)).toEqual([1, 2, 3].map((n) => ({ sensor: `s${n}` })));
  expect((await post(url, `[${good(4)},{"sensor":`, key)).body).toMatchObject({
    accepted: "1",
    quarantined: "1",
  });
  expect((await post(url, '{"sensor":null}', key)).body).toEqual({
    accepted: "0",
    quarantined: "1",
  });

  interface Kept {
    id: string;
    content: string;
    reason: string;
    error: string;
  }
  const list = async () =>
    await call<{ quarantinedRecords?: Kept[]; total?: string }>(
      server,
      "management.v1.SourceService/ListQuarantinedRecords",
      { parent: source.name },
    );
  const { quarantinedRecords: kept = [], total } = await list();
  expect(total).toBe("5");
  const text = (record: Kept) => Buffer.from(record.content, "base64").toString();
  const wrongType = kept.find((record) => text(record) === '{"sensor":7}')!;
  expect(wrongType).toMatchObject({ reason: "RECORD_INVALID" });
  expect(wrongType.error).toContain("sensor is a number, a string (STRING)");
  const broken = kept.find((record) => text(record).trim() === '{"sensor":')!;
  expect(broken.reason).toBe("INVALID_JSON");

  const resend = (ids: string[], json?: string) =>
    call<{ resent?: string; refusals?: { id: string; error: string }[] }>(
      server,
      "management.v1.SourceService/ResendQuarantinedRecords",
      { name: source.name, ids, ...(json && { json: Buffer.from(json).toString("base64") }) },
    );
  const again = await resend([wrongType.id]);
  expect(again.resent ?? "0").toBe("0");
  expect(again.refusals?.[0]?.error).toContain("sensor");
  expect((await resend([wrongType.id], '{"sensor":"7"}')).resent).toBe("1");
  expect(await values(stream)).toContainEqual({ sensor: "7" });
  expect((await list()).total).toBe("4");
  const { count } = await call<{ count: string }>(
    server,
    "management.v1.SourceService/DiscardQuarantinedRecords",
    { name: source.name },
  );
  expect(count).toBe("4");
  expect((await list()).total ?? "0").toBe("0");
});

test("64 requests at once never mix: each record has its own headers, path, query and body", async () => {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    { parent: "projects/demo", streamId: "mixed", stream: { schema: { preset: "HTTP_REQUEST" } } },
  );
  const { url } = await create(stream.name, "any", {
    none: { acknowledged: true },
    mode: "REQUEST",
  });
  const sent = Array.from({ length: 512 }, (_, i) => `${i}-${Math.random()}`);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < sent.length; i = next++) {
      const mark = sent[i] ?? "";
      const body = JSON.stringify({ mark, pad: "x".repeat((i * 37) % 5_000) });
      const headers = { "x-mark": mark, "x-forwarded-for": `10.0.${i >> 8}.${i & 255}` };
      expect((await post(`${url}?mark=${mark}`, body, headers)).status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  const records = (await values(stream.name)) as {
    address: string;
    query: string;
    headers: Record<string, string>;
    body: { mark: string };
  }[];
  expect(records.map(({ body }) => body.mark).sort()).toEqual([...sent].sort());
  for (const { address, query, headers, body } of records) {
    const i = Number(body.mark.split("-")[0]);
    expect([address, query, headers["x-mark"]]).toEqual([
      `10.0.${i >> 8}.${i & 255}`,
      `mark=${body.mark}`,
      body.mark,
    ]);
  }
});

test("B12: a body is tried, with the row that each sink would make, without storing anything", async () => {
  const { stream, source } = await openSource({ apiKey: {}, recordIdPath: "id" });
  const sink = await createSink(server, stream, { id: "table", postgres: { table: "tried" } });
  const answer = await call<{
    ok?: boolean;
    error?: string;
    outcomes: { producerId?: string; error?: string; rows?: unknown[] }[];
  }>(server, "management.v1.SourceService/TestSource", {
    name: source.name,
    body: Buffer.from('{"sensor":"a","id":"1"}\n{"sensor":1,"id":"2"}').toString("base64"),
  });
  expect(answer.ok ?? false).toBe(false);
  expect(answer.error).toContain("records[1]");
  expect(answer.outcomes.map(({ producerId, error }) => [producerId ?? "", error ?? ""])).toEqual([
    ["1", ""],
    ["", expect.stringContaining("sensor")],
  ]);
  const json = '{"sensor":"a","id":"1"}';
  expect(answer.outcomes[0]?.rows).toEqual([{ sink: sink.name, row: { outcome: "SENT", json } }]);
  expect(await values(stream)).toEqual([]);
});

test("K17 K22 K23: ids from names, clashes, lists, updates with etag, deletion ends the address", async () => {
  const stream = await createStream(server, "managed", { fields: FIELDS });
  const made = await call<Made>(server, "management.v1.SourceService/CreateSource", {
    parent: stream,
    source: { displayName: "Wind Sensors!", apiKey: {}, publicId: "wind-sensors-1" },
  });
  expect(made.source.name).toBe(`${stream}/sources/wind-sensors`);
  expect(made.url).toBe(`${server.url}/in/wind-sensors-1`);
  await expect(create(stream, "wind-sensors", { apiKey: {} })).rejects.toMatchObject({
    code: "already_exists",
  });
  await expect(
    create(stream, "other", { apiKey: {}, publicId: "wind-sensors-1" }),
  ).rejects.toMatchObject({ code: "already_exists" });
  const update = (source: Record<string, unknown>, updateMask: string) =>
    call<{ source: SourceView; secret?: string }>(
      server,
      "management.v1.SourceService/UpdateSource",
      { source: { name: made.source.name, ...source }, updateMask },
    );
  await expect(update({ publicId: "another-id" }, "publicId")).rejects.toThrow(
    /settled at creation/,
  );
  await expect(update({ etag: '"x"', quarantine: true }, "quarantine")).rejects.toThrow(ApiError);
  const changed = await update({ basic: { username: "u" } }, "basic");
  expect(changed.secret).toHaveLength(43);
  expect((await post(made.url, JSON.stringify(GOOD), { "x-api-key": made.secret })).status).toBe(
    401,
  );
  const { sources } = await call<{ sources: SourceView[] }>(
    server,
    "management.v1.SourceService/ListSources",
    { parent: stream },
  );
  expect(sources.map((source) => source.name)).toEqual([made.source.name]);
  const remove = () =>
    call(server, "management.v1.SourceService/DeleteSource", {
      name: made.source.name,
      allowMissing: true,
    });
  await remove();
  await remove();
  expect((await post(made.url, "{}")).status).toBe(404);
});

test("sources take records while Postgres is away; quarantine and taken signatures survive kill -9", async () => {
  const { url, secret, source, stream } = await openSource({ apiKey: {}, quarantine: true });
  const key = { "x-api-key": secret };
  const postgres = embeddedPid(server.dataDir, "postgres");
  const backends = readFileSync(`/proc/${postgres}/task/${postgres}/children`, "utf8");
  const stopped = [postgres, ...backends.trim().split(" ").map(Number)];
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  try {
    const startedAt = performance.now();
    const answer = await post(url, `${JSON.stringify(GOOD)}\n{"sensor":3}`, key);
    expect(answer.body).toMatchObject({ accepted: "1", quarantined: "1" });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  } finally {
    for (const pid of stopped) process.kill(pid, "SIGCONT");
  }
  const signed = await openSource({ signature: { scheme: "STANDARD_WEBHOOKS" } });
  const body = JSON.stringify(GOOD);
  const headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
    "webhook-signature": new Webhook(signed.secret).sign("msg_1", new Date(), body),
  };
  expect((await post(signed.url, body, headers)).body.accepted).toBe("1");
  await server.stop("SIGKILL");
  await endEmbedded(server.dataDir);
  server = await startServer({ dataDir: server.dataDir });
  const { quarantinedRecords: kept = [] } = await call<{
    quarantinedRecords?: { content: string }[];
  }>(server, "management.v1.SourceService/ListQuarantinedRecords", { parent: source.name });
  expect(kept.map(({ content }) => Buffer.from(content, "base64").toString())).toEqual([
    '{"sensor":3}',
  ]);
  expect(await values(stream)).toEqual([GOOD]);
  const again = await post(`${server.url}/in/${source.publicId}`, JSON.stringify(GOOD), key);
  expect(again.status).toBe(200);
  const replayed = await post(`${server.url}/in/${signed.source.publicId}`, body, headers);
  expect([replayed.status, replayed.body.duplicate]).toEqual([200, true]);
});

/** Without any content type, which fetch always adds; with the JVM's upgrade header. */
function postRaw(url: string, body: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      {
        method: "POST",
        headers: {
          ...headers,
          connection: "Upgrade, HTTP2-Settings",
          upgrade: "h2c",
          "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        },
      },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
