import { generateKeyPairSync, verify } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebhookSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard } from "../../../src/sinks/egress.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { webhookDriver } from "../../../src/sinks/webhook/driver.ts";
import { openWebhook } from "../../../src/sinks/webhook/open-sink.ts";
import { parseRetryAfter } from "../../../src/sinks/webhook/outcome.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const env = environment({ schema: schemaOf([]) });
let receiver: Receiver;
let sinks: OpenSink[];

beforeEach(async () => {
  receiver = await startReceiver();
  sinks = [];
});

afterEach(async () => {
  for (const sink of sinks) await sink.close();
  await receiver.close();
});

async function open(init: MessageInitShape<typeof WebhookSinkSchema> = {}) {
  const config = create(WebhookSinkSchema, { url: receiver.url, ...init });
  const sink = await webhookDriver.open(config, env);
  sinks.push(sink);
  return sink;
}

const answer = (status: number, headers: Record<string, string> = {}, body = "") => {
  receiver.answer = (response) => response.writeHead(status, headers).end(body);
};
const two = () => requestOf(rowsOf(['{"a":9007199254740993}', '{ "a": 1e400 }']));
const one = () => requestOf(rowsOf([{ a: 1 }]));

test("G14: posts an array of the records' own bytes with a stable id and the record ids", async () => {
  const sink = await open();
  const request = two();
  for (let i = 0; i < 2; i += 1) {
    const outcome = await sink.write(request, attempt());
    expect(outcome).toEqual({
      kind: "rows",
      outcomes: [{ kind: "delivered" }, { kind: "delivered" }],
    });
  }
  const [first, second] = receiver.received;
  expect(first?.body).toBe('[{"a":9007199254740993},{ "a": 1e400 }]');
  expect(first?.headers["content-type"]).toBe("application/json");
  expect(first?.headers["webhook-id"]).toBe(request.id);
  expect(second?.headers["webhook-id"]).toBe(request.id);
  expect(first?.headers["tributary-record-ids"]).toBe(
    request.rows.map((r) => r.recordId).join(","),
  );
});

test("B02: the public Standard Webhooks library accepts the signature", async () => {
  const sink = await open({ signingSecret: SECRET });
  await sink.write(requestOf(rowsOf([{ text: "é😀" }])), attempt());
  const [request] = receiver.received;
  const webhook = new Webhook(SECRET);
  const headers = request!.headers as Record<string, string>;
  expect(webhook.verify(request!.body, headers)).toEqual([{ text: "é😀" }]);
  expect(() => webhook.verify(`${request!.body} `, headers)).toThrow();
});

test("check 13, B02: while a secret is changed both sign, and after that the new one alone", async () => {
  const next = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
  const verifies = (secret: string, request: (typeof receiver.received)[number]) => {
    try {
      new Webhook(secret).verify(request.body, request.headers as Record<string, string>);
      return true;
    } catch {
      return false;
    }
  };
  for (const [endMs, isOldGood] of [
    [Date.now() + 60_000, true],
    [Date.now() - 1, false],
  ] as const) {
    const sink = await open({
      signingSecret: next,
      previousSigningSecret: SECRET,
      previousSecretEndTime: timestampFromMs(endMs),
    });
    await sink.write(one(), attempt());
    const request = receiver.received.at(-1)!;
    expect(verifies(next, request)).toBe(true);
    expect(verifies(SECRET, request)).toBe(isOldGood);
  }
});

test("B02: an Ed25519 key signs as v1a, and its public half verifies", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const seed = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  const sink = await open({ signingSecret: `whsk_${seed.toString("base64")}` });
  await sink.write(one(), attempt());
  const { headers, body } = receiver.received[0]!;
  const content = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const [version, signature = ""] = String(headers["webhook-signature"]).split(",");
  expect(version).toBe("v1a");
  expect(verify(null, Buffer.from(content), publicKey, Buffer.from(signature, "base64"))).toBe(
    true,
  );
});

test("G16: user and password of the URL become Basic authentication, decoded", async () => {
  const sink = await open({
    url: receiver.url.replace("//", "//us%40er:p%3Ass%C3%A9%2F@"),
    headers: { "X-Api-Key": "secret-value" },
  });
  await sink.write(one(), attempt());
  const [request] = receiver.received;
  const basic = Buffer.from("us@er:p:ssé/").toString("base64");
  expect(request?.headers.authorization).toBe(`Basic ${basic}`);
  expect(request?.headers["x-api-key"]).toBe("secret-value");
  expect(request?.url).toBe("/hook");
  expect(request?.headers.host).toBe(`127.0.0.1:${receiver.port}`);
});

describe("B01: what an answer means", () => {
  test.each([301, 302, 303, 307, 308])("%i is a failure, not followed", async (status) => {
    const sink = await open();
    answer(status, { location: receiver.url.replace("hook", "inward") });
    expect(await sink.write(two(), attempt())).toMatchObject({
      scope: "sink",
      reason: `HTTP_${status}`,
    });
    expect(receiver.received).toHaveLength(1);
  });

  test.each([401, 403, 404, 405, 408, 500, 502, 504])("%i is tried again", async (status) => {
    const sink = await open();
    answer(status, {}, "no\n luck");
    expect(await sink.write(two(), attempt())).toEqual({
      kind: "retry",
      scope: "sink",
      reason: `HTTP_${status}`,
      why: `the endpoint answered ${status}: no luck`,
      burnsAttempt: true,
    });
  });

  test.each([429, 503])("%i waits as the endpoint asks, and burns no attempt", async (status) => {
    const sink = await open();
    answer(status, { "retry-after": "7" });
    expect(await sink.write(two(), attempt())).toMatchObject({
      afterMs: 7000,
      burnsAttempt: false,
    });
  });

  test.each([400, 413, 422])("%i halves a request, and holds a single row", async (status) => {
    const sink = await open();
    answer(status, {}, "bad a");
    expect(await sink.write(two(), attempt())).toMatchObject({ kind: "retry", scope: "request" });
    expect(await sink.write(one(), attempt())).toEqual({
      kind: "rows",
      outcomes: [
        { kind: "reject", reason: `HTTP_${status}`, why: `the endpoint answered ${status}: bad a` },
      ],
    });
  });

  test("410 pauses", async () => {
    const sink = await open();
    answer(410);
    expect(await sink.write(two(), attempt())).toMatchObject({ kind: "pause", reason: "HTTP_410" });
  });
});

test("Retry-After may be seconds or an HTTP date, within a day", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(parseRetryAfter("120", now)).toBe(120_000);
  expect(parseRetryAfter("Thu, 01 Jan 2026 00:00:30 GMT", now)).toBe(30_000);
  expect(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  expect(parseRetryAfter("99999999999", now)).toBe(86_400_000);
  expect(parseRetryAfter("soon", now)).toBeUndefined();
});

test("secrets that an endpoint echoes do not appear in the cause", async () => {
  const sink = await open({
    url: receiver.url.replace("//", "//user:hunter22@"),
    headers: { "x-key": "topsecret" },
    signingSecret: SECRET,
  });
  receiver.answer = (response, request) =>
    response.writeHead(500).end(`${JSON.stringify(request.headers)} hunter22 ${SECRET}`.slice(20));
  const { why } = (await sink.write(one(), attempt())) as { why: string };
  const basic = Buffer.from("user:hunter22").toString("base64");
  for (const secret of ["hunter22", "topsecret", SECRET, basic]) expect(why).not.toContain(secret);
  expect(why.length).toBeLessThan(260);
});

describe("12: endpoints that misbehave", () => {
  test("no answer within the attempt is a timeout", async () => {
    const sink = await open();
    receiver.answer = () => undefined;
    const start = performance.now();
    expect(await sink.write(one(), attempt(200))).toMatchObject({
      scope: "sink",
      reason: "TIMEOUT",
    });
    expect(performance.now() - start).toBeLessThan(1200);
  });

  test("a body that drips or never ends does not hold the request", async () => {
    const sink = await open();
    receiver.answer = (response) => {
      response.writeHead(500);
      response.write("x");
    };
    const start = performance.now();
    expect(await sink.write(one(), attempt())).toMatchObject({ reason: "HTTP_500" });
    receiver.answer = (response) => response.writeHead(500).end("y".repeat(5_000_000));
    expect(await sink.write(one(), attempt())).toMatchObject({ reason: "HTTP_500" });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test("a connection that is cut or refused is tried again", async () => {
    const sink = await open();
    receiver.answer = (response) => response.socket?.destroy();
    const cut = await sink.write(one(), attempt());
    expect(cut).toMatchObject({ scope: "sink", reason: "CONNECTION_FAILED" });
    await receiver.close();
    expect(await sink.write(one(), attempt())).toMatchObject({
      scope: "sink",
      why: "the connection failed: ECONNREFUSED",
    });
  });

  test("a server without TLS behind https is a TLS failure", async () => {
    const sink = await open({ url: receiver.url.replace("http:", "https:") });
    expect(await sink.write(one(), attempt())).toMatchObject({ reason: "TLS_FAILED" });
  });
});

describe("B05: egress", () => {
  const refused = { scope: "sink", reason: "ADDRESS_REFUSED" };

  test("loopback is refused unless allowed, as literal and as name", async () => {
    const closed = environment({ schema: schemaOf([]), isLoopbackAllowed: false });
    for (const host of ["127.0.0.1", "2130706433", "0x7f.1", "0", "[::1]", "localhost"]) {
      const url = `http://${host}:${receiver.port}/`;
      const sink = await webhookDriver.open(create(WebhookSinkSchema, { url }), closed);
      expect(await sink.write(one(), attempt())).toMatchObject(refused);
      await sink.close();
    }
    expect(receiver.received).toHaveLength(0);
  });

  test("check 26: a name that turns inward after the check gets no connection", async () => {
    let turn = 0;
    const policy = { isLoopbackAllowed: false, egressAllowList: ["192.0.2.0/24"] };
    const guard = createEgressGuard(policy, async () => [turn++ % 2 ? "127.0.0.1" : "192.0.2.1"]);
    const config = create(WebhookSinkSchema, { url: `http://rebind.example:${receiver.port}/` });
    const sink = await openWebhook(config, env, { guard });
    sinks.push(sink);
    for (let i = 0; i < 6; i += 1) {
      expect(await sink.write(one(), attempt(100))).toMatchObject({ kind: "retry", scope: "sink" });
    }
    expect(receiver.received).toHaveLength(0);
  });

  test("the connection goes to the checked address with the name as Host", async () => {
    const guard = createEgressGuard(env, async () => ["127.0.0.1"]);
    const config = create(WebhookSinkSchema, { url: `http://hooks.example:${receiver.port}/x` });
    const sink = await openWebhook(config, env, { guard });
    sinks.push(sink);
    expect(await sink.write(one(), attempt())).toMatchObject({ kind: "rows" });
    expect(receiver.received[0]?.headers.host).toBe(`hooks.example:${receiver.port}`);
  });
});

test("connections are kept, and a kept one that the server closed is replaced at once", async () => {
  const sink = await open();
  for (let i = 0; i < 20; i += 1) {
    // Closes after the answer without announcing it.
    receiver.answer = (response) =>
      response
        .writeHead(204)
        .end(() => i % 3 === 0 && setImmediate(() => response.socket?.destroy()));
    expect(await sink.write(one(), attempt())).toMatchObject({ kind: "rows" });
  }
});

test("secrets stay with their origin", () => {
  const saved = create(WebhookSinkSchema, {
    url: "https://u:p@a.example/x",
    headers: { key: "value" },
    signingSecret: SECRET,
  });
  const masked = webhookDriver.mask(saved);
  expect(masked).toMatchObject({
    url: "https://a.example/x",
    headers: { key: "" },
    signingSecret: "",
  });
  expect(webhookDriver.keepSecrets(masked, saved)).toEqual(saved);
  const moved = create(WebhookSinkSchema, { ...masked, url: "https://b.example/x" });
  const kept = webhookDriver.keepSecrets(moved, saved);
  expect(kept).toMatchObject({ url: "https://b.example/x", headers: { key: "" } });
  expect(webhookDriver.check(kept, { schema: env.schema })).toMatchObject([
    { field: 'headers["key"]' },
  ]);
});

test("check names every bad header, URL and secret without repeating them", () => {
  const config = create(WebhookSinkSchema, {
    url: "https://u:hunter2%zz@h/",
    headers: {
      Connection: "x",
      "webhook-id": "x",
      "bad name": "x",
      ok: "a\nb",
      Dup: "1",
      dup: "2",
    },
    signingSecret: "whsec_short",
  });
  const violations = webhookDriver.check(config, { schema: env.schema });
  expect(violations.map((violation) => violation.field).sort()).toEqual([
    'headers["Connection"]',
    'headers["bad name"]',
    'headers["dup"]',
    'headers["ok"]',
    'headers["webhook-id"]',
    "signing_secret",
    "url",
  ]);
  expect(JSON.stringify(violations)).not.toContain("hunter2");
});
