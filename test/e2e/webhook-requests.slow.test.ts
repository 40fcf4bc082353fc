import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countsOf, createSink, createStream, getSink, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly atMs: number;
  readonly peer: string;
}

let server: TestServer;
let folder: string;
let got: Got[] = [];
let inFlight = 0;
let mostInFlight = 0;
let delayMs = 0;
/** Tokens that the endpoint takes; empty: no token is asked for. */
let tokens: string[] = [];
let tokenCalls: string[] = [];
let tokenLifeSeconds = 3600;

const listener: RequestListener = (request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", async () => {
    const { method = "", url = "", headers, socket } = request;
    if (url === "/token") {
      tokenCalls.push(`${headers.authorization} ${body}`);
      const token = `token-${tokenCalls.length}`;
      tokens = [token];
      const answer = { access_token: token, token_type: "Bearer", expires_in: tokenLifeSeconds };
      return void response.writeHead(200).end(JSON.stringify(answer));
    }
    if (headers["tributary-test"]) return void response.writeHead(200).end();
    const isRefused = tokens.length > 0 && !tokens.includes(`${headers.authorization}`.slice(7));
    if (isRefused) return void response.writeHead(401).end();
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    const certificate = (socket as TLSSocket).getPeerCertificate?.();
    const peer = String(certificate?.subject?.CN ?? "");
    got.push({ method, path: url, headers, body, atMs: performance.now(), peer });
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    inFlight -= 1;
    response.writeHead(204).end();
  });
};
const plain = createServer(listener);
let secured: ReturnType<typeof createTlsServer>;
const pem = (name: string) => readFileSync(join(folder, name), "utf8");
const urlOf = (path: string) => `http://127.0.0.1:${(plain.address() as AddressInfo).port}${path}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-mtls-"));
  makeCertificates(folder);
  secured = createTlsServer(
    { cert: pem("server.pem"), key: pem("server.key"), ca: pem("ca.pem"), requestCert: true },
    listener,
  );
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => secured.listen(0, "127.0.0.1", resolve));
  server = await startServer();
});
afterAll(async () => {
  await server?.close();
  plain.close();
  secured?.close();
  rmSync(folder, { recursive: true, force: true });
});

let made = 0;
/** A stream with one sink to the endpoint; forgets what the endpoint got. */
async function open(sink: Record<string, unknown>, stream: Record<string, unknown> = {}) {
  [got, tokens, tokenCalls, mostInFlight, delayMs] = [[], [], [], 0, 0];
  const name = await createStream(server, `hooked-${made++}`, {
    fields: { n: "LONG" },
    ...stream,
  });
  return { stream: name, sink: await createSink(server, name, { id: "hook", ...sink }) };
}
const records = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));
const numbers = () =>
  got.flatMap(({ body }) => (JSON.parse(body) as { n: number }[]).map(({ n }) => n));

function makeCertificates(cwd: string): void {
  const run = (...args: string[]) => execFileSync("openssl", args, { cwd, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca");
  for (const [name, alt] of [
    ["server", "IP:127.0.0.1"],
    ["client", "DNS:client"],
  ]) {
    const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=${alt}`];
    const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key"];
    run(
      ...["req", "-x509", ...key, ...issuer, "-keyout", `${name}.key`, "-out", `${name}.pem`],
      ...subject,
    );
  }
}

test("G15: 250 waiting records come as requests of at most 100, in order", async () => {
  const { stream } = await open({
    webhook: { url: urlOf("/list") },
    batching: { time: "0.5s", count: 100 },
  });
  expect((await push(server, stream, records(250))).status).toBe(200);
  await waitFor(() => numbers().length >= 250, { what: "the records" });
  expect(got.length).toBeGreaterThanOrEqual(3);
  for (const { body, method } of got) {
    expect((JSON.parse(body) as unknown[]).length).toBeLessThanOrEqual(100);
    expect(method).toBe("POST");
  }
  expect(numbers()).toEqual(records(250).map(({ n }) => n));
});

test("a batch may be chosen up to 1,000, and not above", async () => {
  const { stream } = await open({
    webhook: { url: urlOf("/big") },
    batching: { time: "1s", count: 1000 },
  });
  await push(server, stream, records(600));
  await waitFor(() => numbers().length >= 600, { what: "the records" });
  expect(got).toHaveLength(1);
  const tooMany = { id: "more", webhook: { url: urlOf("/") }, batching: { count: 1001 } };
  await expect(createSink(server, stream, tooMany)).rejects.toMatchObject({
    reason: "INVALID_FIELDS",
  });
});

test.each(["PUT", "PATCH"])("E17: %s, with headers of one's own", async (method) => {
  const headers = { "x-tenant": "t-1", "x-other": "o" };
  const { stream } = await open({ webhook: { url: urlOf("/a?b=c"), method, headers } });
  await push(server, stream, [{ n: 7 }]);
  await waitFor(() => got.length > 0, { what: "the request" });
  expect(got[0]).toMatchObject({ method, path: "/a?b=c", body: '[{"n":7}]', headers });
  expect(got[0]?.headers["content-type"]).toBe("application/json");
});

test("single objects: each record is the body of a request of its own", async () => {
  const { stream } = await open({ webhook: { url: urlOf("/one"), singleObject: true } });
  await push(server, stream, records(5));
  await waitFor(() => got.length >= 5, { what: "the requests" });
  const bodies = got.map(({ body }) => body).sort();
  expect(bodies).toEqual(records(5).map((record) => JSON.stringify(record)));
});

describe("B06: authentication", () => {
  test("a bearer token goes out and is not returned", async () => {
    const bearer = { token: "b3arer-s3cret" };
    const { stream, sink } = await open({ webhook: { url: urlOf("/b"), bearer } });
    await push(server, stream, [{ n: 1 }]);
    await waitFor(() => got.length > 0, { what: "the request" });
    expect(got[0]?.headers.authorization).toBe("Bearer b3arer-s3cret");
    expect(JSON.stringify(await getSink(server, sink.name))).not.toContain("b3arer");
  });

  test("OAuth2 client credentials: one token serves many requests, a refused one is fetched again once", async () => {
    tokenLifeSeconds = 3600;
    const clientCredentials = {
      tokenUrl: urlOf("/token"),
      clientId: "me",
      clientSecret: "cl:ient+s3cret",
      scopes: ["a", "b"],
      audience: "https://api.example.com",
    };
    const { stream, sink } = await open({ webhook: { url: urlOf("/o"), clientCredentials } });
    tokenCalls = [];
    for (const n of [1, 2, 3]) {
      await push(server, stream, [{ n }]);
      await waitFor(() => got.length >= n, { what: `request ${n}` });
    }
    const basic = Buffer.from("me:cl%3Aient%2Bs3cret").toString("base64");
    const body = "grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fapi.example.com";
    expect(tokenCalls).toEqual([`Basic ${basic} ${body}`]);
    tokens = ["of another time"];
    await push(server, stream, [{ n: 4 }]);
    await waitFor(() => got.length >= 4, { what: "the request after a refusal" });
    expect(tokenCalls).toHaveLength(2);
    expect(numbers()).toEqual([1, 2, 3, 4]);
    const shown = await getSink(server, sink.name);
    expect(shown.status?.state).toBe("RUNNING");
    expect(JSON.stringify(shown)).not.toContain("s3cret");
  });

  test("a token is renewed before it ends", async () => {
    tokenLifeSeconds = 1;
    const clientCredentials = { tokenUrl: urlOf("/token"), clientId: "me", clientSecret: "x" };
    const { stream } = await open({ webhook: { url: urlOf("/o"), clientCredentials } });
    await push(server, stream, [{ n: 1 }]);
    await waitFor(() => got.length >= 1, { what: "the first" });
    const calls = tokenCalls.length;
    await new Promise((resolve) => setTimeout(resolve, 850));
    await push(server, stream, [{ n: 2 }]);
    await waitFor(() => got.length >= 2, { what: "the second" });
    expect(tokenCalls.length).toBe(calls + 1);
  });

  test("a token endpoint that refuses is named when the sink is saved", async () => {
    const clientCredentials = { tokenUrl: urlOf("/nothing"), clientId: "me", clientSecret: "x" };
    await expect(open({ webhook: { url: urlOf("/o"), clientCredentials } })).rejects.toMatchObject({
      reason: "DESTINATION_REFUSED",
      text: expect.stringContaining("the token endpoint answered 204"),
    });
  });

  test("mTLS: the client shows its certificate, and the server's must lead to the authority given", async () => {
    const url = `https://127.0.0.1:${(secured.address() as AddressInfo).port}/m`;
    const clientCertificate = pem("client.pem");
    const certificateAuthority = pem("ca.pem");
    const webhook = { url, clientCertificate, clientKey: pem("client.key"), certificateAuthority };
    const { stream, sink } = await open({ webhook });
    await push(server, stream, [{ n: 1 }]);
    await waitFor(() => got.length >= 1, { what: "the request" });
    expect(got[0]?.peer).toBe("client");
    expect(JSON.stringify(await getSink(server, sink.name))).not.toContain("PRIVATE KEY");
    await expect(
      createSink(server, stream, { id: "untrusted", webhook: { url } }),
    ).rejects.toMatchObject({ text: expect.stringContaining("TLS_FAILED") });
    await expect(
      createSink(server, stream, {
        id: "mixed",
        webhook: { ...webhook, clientKey: pem("server.key") },
      }),
    ).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  });

  test("two ways at once are refused", async () => {
    const webhook = { url: "http://u:p@127.0.0.1:1/", bearer: { token: "x" } };
    await expect(open({ webhook })).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  });
});

describe("B07: pace", () => {
  const spread = { keyFields: ["n"], throughput: "HIGH" };

  test("requests a second hold over all partitions, all of which get their turn", async () => {
    const { stream, sink } = await open(
      { webhook: { url: urlOf("/r"), singleObject: true }, pace: { requestsPerSecond: 20 } },
      spread,
    );
    await push(server, stream, records(30));
    await waitFor(() => got.length >= 30, { what: "the requests" });
    const span = got.at(-1)!.atMs - got[0]!.atMs;
    expect(span).toBeGreaterThan((29 * 1000) / 20 - 250);
    expect(await countsOf(server, sink.name)).toMatchObject({ pushed: 30 });
  });

  test("no more requests are in flight than chosen", async () => {
    const { stream } = await open(
      { webhook: { url: urlOf("/c"), singleObject: true }, pace: { concurrency: 2 } },
      spread,
    );
    delayMs = 30;
    await push(server, stream, records(20));
    await waitFor(() => got.length >= 20, { what: "the requests" });
    expect(mostInFlight).toBe(2);
  });
});
