import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

/** Until the server ends a connection that sent `head` and then one `drip` a second. */
async function timeToClose(head: string, drip: string): Promise<number> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => undefined).resume();
  await once(socket, "connect");
  const startedAt = performance.now();
  socket.write(head);
  const timer = setInterval(() => socket.write(drip), 1_000);
  await once(socket, "close");
  clearInterval(timer);
  return performance.now() - startedAt;
}

const TIMEOUT_MS = 90_000;
/** Slow connections are looked at every 5 s, on a machine that may be busy. */
const LATE_MS = 8_000;
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

test.concurrent("56: silence and a slow head are closed within 10 s", {
  timeout: TIMEOUT_MS,
}, async () => {
  const took = await Promise.all([
    timeToClose("", ""),
    timeToClose("GET /healthz HT", "T"),
    timeToClose("GET /healthz HTTP/1.1\r\nHost: a\r\n", "x-a: b\r\n"),
    timeToClose("PRI * HTTP", ""),
    // HEADERS without END_HEADERS, then CONTINUATION frames of no bytes.
    timeToClose(`${http2Preface}\0\0\x01\x01\0\0\0\0\x01\x82`, "\0\0\0\x09\0\0\0\0\x01"),
    timeToClose(http2Preface, ""),
  ]);
  for (const ms of took) expect(ms).toBeLessThan(10_000 + LATE_MS);
});

test.concurrent("56: a dripping body is closed within 30 s on HTTP/1.1 and HTTP/2", {
  timeout: TIMEOUT_MS,
}, async () => {
  const token = await server.token();
  const path = "/tributary.push.v1.PushService/Push";
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: a",
    "Content-Type: application/json",
    `Authorization: Bearer ${token}`,
    "Content-Length: 1000",
  ];
  const http2Body = async () => {
    const session = connectHttp2(server.url);
    session.on("error", () => undefined);
    const startedAt = performance.now();
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
    });
    stream.on("error", () => undefined).resume();
    const timer = setInterval(() => stream.write(" "), 1_000);
    await once(stream, "close");
    clearInterval(timer);
    session.destroy();
    return performance.now() - startedAt;
  };
  const took = await Promise.all([timeToClose(`${head.join("\r\n")}\r\n\r\n`, " "), http2Body()]);
  for (const ms of took) {
    expect(ms).toBeGreaterThan(5_000);
    expect(ms).toBeLessThan(30_000 + LATE_MS);
  }
  expect((await server.get("/readyz")).status).toBe(200);
});
