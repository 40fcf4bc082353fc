import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fail } from "../../src/core/errors.ts";
import { isPushHead } from "../../src/ingest/lane-route.ts";
import { sendError, sendJson } from "../../src/server/answer.ts";
import { readDirectly } from "../../src/server/direct-read.ts";
import { bodyOf, pathOf } from "../../src/server/http-message.ts";
import type { Lane } from "../../src/server/route.ts";
import { waitFor } from "../support/server.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

/** Says what it got, and by which reader. */
const echo: Lane = (request, response, call) => {
  const path = pathOf(request);
  if (!path.startsWith("/in/")) return undefined;
  if (path === "/in/left") return undefined;
  if (path === "/in/thrown") throw fail("INTERNAL", "a fault");
  const answer = async () => {
    const { url, headers, method } = request;
    if (path === "/in/rejected") throw new Error("a secret of ours");
    if (path === "/in/slow") await sleep(50);
    const chunks: Uint8Array[] = [];
    if ("body" in request) chunks.push(request.body);
    else for await (const chunk of bodyOf(request as IncomingMessage)) chunks.push(chunk);
    if (path === "/in/refused") {
      sendError(response, fail("RATE_EXCEEDED", "slower, \u{1f600}", { retryAfterMs: 1 }), call);
      return;
    }
    response.setHeader("x-reader", "body" in request ? "whole" : "node");
    const body = Buffer.concat(chunks).toString("latin1");
    const told = JSON.parse(JSON.stringify({ method, url, headers, body }));
    sendJson(response, { status: 200, body: told });
  };
  return answer();
};

/** With the short way, and without. */
let short: TestServer;
let long: TestServer;
beforeAll(async () => {
  const portLimits = { checkIntervalMs: 50, headersMs: 400, requestMs: 800, keepAliveMs: 1_000 };
  short = await startTestServer({ lanes: [echo], isShort: isPushHead, portLimits });
  long = await startTestServer({ lanes: [echo], portLimits });
});
afterAll(async () => {
  await short.port.close();
  await long.port.close();
});

interface Talk {
  readonly socket: Socket;
  /** Answers so far: status line, the reader that it names, body. */
  answers(): { status: number; reader: string; head: string; body: string }[];
  isClosed(): boolean;
}

async function talk(server: TestServer): Promise<Talk> {
  const socket = connect({ port: server.port.port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let text = "";
  let isClosed = false;
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined).on("close", () => (isClosed = true));
  const answers = () => {
    const found = [];
    for (let rest = text; ; ) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return found;
      const head = rest.slice(0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const reader = /x-reader: (\w+)/i.exec(head)?.[1] ?? "";
      const status = Number(head.split(" ")[1]);
      found.push({ status, reader, head, body: rest.slice(end + 4, end + 4 + length) });
      rest = rest.slice(end + 4 + length);
    }
  };
  return { socket, answers, isClosed: () => isClosed };
}

async function answersOf(server: TestServer, bytes: string | Buffer, count = 1) {
  const { socket, answers, isClosed } = await talk(server);
  socket.write(bytes);
  await waitFor(() => answers().length >= count || isClosed(), { timeoutMs: 10_000, everyMs: 2 });
  socket.destroy();
  return answers();
}

const request = (path: string, body = "{}", headers: readonly string[] = []) =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: here:80",
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");

describe("requests in one piece", () => {
  test("are answered without node:http, one after the other on one connection", async () => {
    const bytes = request("/in/a", "1") + request("/in/slow", "22") + request("/in/b?x=1", "333");
    const answers = await answersOf(short, bytes, 3);
    expect(answers.map(({ reader }) => reader)).toEqual(["whole", "whole", "whole"]);
    expect(answers.map(({ body }) => JSON.parse(body).body)).toEqual(["1", "22", "333"]);
    expect(answers[0]?.head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answers[0]?.head).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
    expect(answers[0]?.head).toMatch(/\r\nDate: \w{3}, .* GMT\r\n/);
  });

  test("are the same as by node:http, answers too", async () => {
    for (const path of ["/in/a?b=c", "/in/refused", "/in/thrown", "/in/rejected"]) {
      const bytes = request(path, '{"a":"\u00e9"}', ["X-Request-Id: mine", "Accept:  a, b\t "]);
      const [[ours], [theirs]] = [await answersOf(short, bytes), await answersOf(long, bytes)];
      expect(ours?.status).toBe(theirs?.status);
      expect(ours?.body).toBe(theirs?.body);
      const lines = (head = "") =>
        head
          .toLowerCase()
          .split("\r\n")
          .filter((line) => !/^(?:date|keep-alive|x-reader)/.test(line))
          .sort();
      expect(lines(ours?.head)).toEqual(lines(theirs?.head));
    }
    await waitFor(() => short.logger.lines.some(({ message }) => message === "request failed"));
  });

  test("in pieces, at every cut, they are the same", async () => {
    const bytes = Buffer.from(request("/in/a", '{"x":1}') + request("/in/b", "y"));
    for (let cut = 1; cut < bytes.length; cut += 3) {
      const { socket, answers } = await talk(short);
      socket.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(bytes.subarray(cut));
      await waitFor(() => answers().length === 2, { timeoutMs: 10_000, everyMs: 1 });
      expect(answers().map(({ body }) => JSON.parse(body).body)).toEqual(['{"x":1}', "y"]);
      socket.destroy();
    }
  });
});

describe("bodies that no read holds alone", () => {
  test("of 200 KB are joined, with what follows them", async () => {
    const body = Array.from({ length: 25_000 }, (_, i) => String(i).padStart(8, "-")).join("");
    const one = Buffer.from(request("/in/a", body));
    const all = Buffer.concat([one, one, Buffer.from(request("/in/b", "end"))]);
    const { socket, answers } = await talk(short);
    for (let at = 0; at < all.length; at += 30_011) {
      socket.write(all.subarray(at, at + 30_011));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => answers().length === 3, { timeoutMs: 10_000, everyMs: 2 });
    expect(answers().map(({ reader }) => reader)).toEqual(["whole", "whole", "whole"]);
    const bodies = answers().map((each) => JSON.parse(each.body).body);
    expect(bodies[0] === body && bodies[1] === body).toBe(true);
    expect(bodies[2]).toBe("end");
    socket.destroy();
  });

  test("stay as they came while others are read into the same memory", async () => {
    const paths = Array.from({ length: 8 }, (_, i) => `caller ${i}`.repeat(50 * (i + 1)));
    const talks = await Promise.all(paths.map(() => talk(short)));
    for (let round = 1; round <= 3; round++) {
      for (const [i, { socket }] of talks.entries()) socket.write(request("/in/slow", paths[i]));
      const isAnswered = () => talks.every(({ answers }) => answers().length === round);
      await waitFor(isAnswered, { timeoutMs: 10_000, everyMs: 2 });
    }
    for (const [i, { answers, socket }] of talks.entries()) {
      expect(new Set(answers().map(({ body }) => JSON.parse(body).body))).toEqual(
        new Set([paths[i]]),
      );
      socket.destroy();
    }
  });

  test("this version of Node lets sockets be read directly", async () => {
    const listener = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const caller = connect((listener.address() as AddressInfo).port, "127.0.0.1");
    const [socket] = (await once(listener, "connection")) as [Socket];
    let text = "";
    expect(readDirectly(socket, (bytes) => (text += bytes.toString("latin1")))).toBe(true);
    socket.resume();
    caller.write("one");
    await waitFor(() => text === "one", { timeoutMs: 10_000, everyMs: 1 });
    socket.pause();
    caller.end("two");
    await sleep(20);
    expect(text).toBe("one");
    socket.resume();
    await once(socket, "end");
    expect(text).toBe("onetwo");
    socket.destroy();
    listener.close();
  });
});

describe("everything else goes to node:http, and the connection with it", () => {
  const chunked =
    "POST /in/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n";
  test.each([
    ["another method", "GET /in/a HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a chunked body", chunked],
    ["a header twice", request("/in/a", "z", ["a: 1", "A: 2"])],
    ["a cookie with a byte above ASCII", request("/in/a", "z", ["Cookie: \u00fc=1"])],
    ["Expect", request("/in/a", "z", ["Expect: 100-continue"])],
    ["an upgrade", request("/in/a", "z", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"])],
    ["Connection: close", request("/in/a", "z", ["Connection: close"])],
    ["HTTP/1.0", request("/in/a", "z").replace("HTTP/1.1", "HTTP/1.0")],
    ["a large body", request("/in/a", "z".repeat(300_000))],
    ["a large head", request("/in/a", "z", [`a: ${"y".repeat(9_000)}`])],
    ["a path that no lane takes", request("/tributary.push.v1.PushService/Push", "{}")],
    ["a path that the lane leaves", request("/in/left", "{}")],
    ["a folded header", request("/in/a", "z", ["a: 1\r\n 2"])],
    ["a bare line feed", request("/in/a", "z", ["a: 1\nb: 2"])],
    ["a space before the colon", request("/in/a", "z", ["a : 1"])],
    ["two lengths", request("/in/a", "zz", ["Content-Length: 1"])],
    ["a length with a sign", request("/in/a", "z").replace("Length: 1", "Length: +1")],
    ["a token in the query", request("/in/a?access_token=t", "z", ["Authorization: Bearer good"])],
    ["no Host", request("/in/a", "z").replace(/Host:.*?\r\n/, "")],
    ["a bad Host", request("/in/a", "z").replace("here:80", "a b")],
  ])("%s", async (_, bytes) => {
    const after = request("/in/a", "after");
    const before = request("/in/a", "before");
    const all = Buffer.from(bytes + after, "latin1");
    const [ours, theirs] = await Promise.all(
      [short, long].map(async (server) => {
        const { socket, answers, isClosed } = await talk(server);
        // What comes behind a bad request ends the one before it in node:http, so each at its time.
        socket.write(before);
        await waitFor(() => answers().length === 1, { timeoutMs: 10_000, everyMs: 2 });
        socket.write(all);
        const isOver = () =>
          isClosed() || answers().filter(({ status }) => status > 199).length > 2;
        await waitFor(isOver, { timeoutMs: 10_000, everyMs: 2 });
        socket.destroy();
        return answers().map(({ status, body, reader }) => ({
          status,
          reader,
          body: body.replace(/"requestId":"[^"]*"|"value":"[^"]*"/g, ""),
        }));
      }),
    );
    expect(ours?.map(({ status }) => status)).toEqual(theirs?.map(({ status }) => status));
    expect(ours?.map(({ body }) => body)).toEqual(theirs?.map(({ body }) => body));
    expect(ours?.slice(1).every(({ reader }) => reader !== "whole")).toBe(true);
  });

  test("property: whatever is done to a head, both readers see the same request or refuse it", async () => {
    const base = request("/in/a", "0123456789", ["Accept: */*", "Authorization: Bearer t"]);
    const piece = fc.oneof(
      fc.constantFrom("\r\n", "\r", "\n", " ", "\t", ":", "\r\n\r\n", "\0", "\x7f", "\u00e9"),
      fc.constantFrom("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "a: b\r\n"),
      fc.constantFrom("HTTP/1.1", "POST", "/in/", "?", "#", "0", "1", "-", "%", "_", ","),
    );
    const edit = fc.record({
      at: fc.nat(base.length - 10),
      drop: fc.nat(3),
      add: fc.oneof(fc.constant(""), piece),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 2 }), async (edits) => {
        let text = base;
        for (const { at, drop, add } of edits)
          text = text.slice(0, at) + add + text.slice(at + drop);
        const bytes = Buffer.from(text, "latin1");
        const send = async (server: TestServer, part: Buffer) => {
          const { socket, answers, isClosed } = await talk(server);
          socket.end(part);
          await waitFor(isClosed, { timeoutMs: 10_000, everyMs: 2 });
          return answers()[0];
        };
        const ours = await send(short, bytes);
        // Of what comes behind a request, a bad end would show in the other's answer to it.
        const end = bytes.indexOf("\r\n\r\n") + 4;
        const sizeOf = ({ body }: { body: string }) => JSON.parse(body).body.length as number;
        const isWhole = ours?.reader === "whole";
        const theirs = await send(long, isWhole ? bytes.subarray(0, end + sizeOf(ours)) : bytes);
        expect(ours?.status).toBe(theirs?.status);
        if (isWhole) expect(ours.body).toBe(theirs?.body);
      }),
      { numRuns: 120 },
    );
  });
});

describe("the life of connections", () => {
  test("a caller that ends its side has its answer", async () => {
    const { socket, answers, isClosed } = await talk(short);
    socket.end(request("/in/slow", "1"));
    await waitFor(isClosed, { timeoutMs: 10_000 });
    expect(answers().map(({ status }) => status)).toEqual([200]);
  });

  test("bad input 56: a dripping body is closed, as by node:http", async () => {
    const { socket, isClosed } = await talk(short);
    socket.write("POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    const timer = setInterval(() => socket.write(" "), 20);
    await waitFor(isClosed, { timeoutMs: 10_000 });
    clearInterval(timer);
  });

  test("a silent connection is closed after its time", async () => {
    const { socket, answers, isClosed } = await talk(short);
    socket.write(request("/in/a"));
    await waitFor(() => answers().length === 1, { timeoutMs: 10_000 });
    expect(isClosed()).toBe(false);
    await waitFor(isClosed, { timeoutMs: 10_000 });
    expect(answers()[0]?.head).toContain("Keep-Alive: timeout=1");
  });

  test("the last request that a connection may make is answered with close", async () => {
    const portLimits = { requestsPerSocket: 2 };
    await using server = await startTestServer({ lanes: [echo], isShort: isPushHead, portLimits });
    const { socket, answers, isClosed } = await talk(server);
    socket.write(request("/in/a").repeat(3));
    await waitFor(isClosed, { timeoutMs: 10_000 });
    expect(answers().map(({ head }) => /connection: (\S+)/i.exec(head)?.[1])).toEqual([
      "keep-alive",
      "close",
    ]);
  });

  test("draining: what is under way is answered with close, and idle connections end", async () => {
    await using server = await startTestServer({ lanes: [echo], isShort: isPushHead });
    const [busy, idle] = [await talk(server), await talk(server)];
    idle.socket.write(request("/in/a"));
    await waitFor(() => idle.answers().length === 1, { timeoutMs: 10_000 });
    busy.socket.write(request("/in/slow"));
    const drained = server.port.drain(10_000);
    await waitFor(() => busy.isClosed() && idle.isClosed(), { timeoutMs: 10_000 });
    await drained;
    expect(busy.answers().map(({ status }) => status)).toEqual([200]);
  });

  test("a caller that pipelines without end and reads nothing is made to wait", async () => {
    const socket = connect({ port: short.port.port, host: "127.0.0.1" });
    await once(socket, "connect");
    socket.on("error", () => undefined);
    const bytes = request("/in/a", "z".repeat(30_000)).repeat(4);
    let isFull = false;
    for (let i = 0; i < 2_000 && !isFull; i++) {
      isFull = !socket.write(bytes);
      if (isFull) isFull = !(await Promise.race([once(socket, "drain"), sleep(500)]));
    }
    expect(isFull).toBe(true);
    socket.destroy();
  });
});
