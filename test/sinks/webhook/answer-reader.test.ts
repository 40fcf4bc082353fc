import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createSocketServer, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { WebhookSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { type AnswerFault, readAnswerHead } from "../../../src/sinks/webhook/answer-head.ts";
import { AnswerReader } from "../../../src/sinks/webhook/answer-reader.ts";
import { openWebhook } from "../../../src/sinks/webhook/open-sink.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const env = environment({ schema: schemaOf([]) });
const closers: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What came of some bytes: in pieces that are overwritten once they are taken, as a read buffer is. */
function read(bytes: Buffer, cuts: readonly number[]) {
  const reader = new AnswerReader(() => true);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  try {
    for (const end of [...ends, bytes.length]) {
      const piece = Buffer.from(bytes.subarray(from, end));
      if (piece.length > 0) reader.push(piece);
      piece.fill(0);
      from = end;
    }
  } catch (error) {
    return { fault: (error as AnswerFault).code };
  }
  const { head, isDone, hasMore } = reader;
  return { status: head?.status, isDone, hasMore, body: reader.body.toString("latin1") };
}

const bodyText = fc.string({
  unit: fc.constantFrom("a", "\r", "\n", "0", " ", "é"),
  maxLength: 60,
});
const chunked = fc.array(fc.tuple(bodyText, fc.constantFrom("", ";x=1", " ;y"))).map((parts) => {
  const chunks = parts.filter(([text]) => text !== "");
  const lines = chunks.map(([text, extra]) => `${text.length.toString(16)}${extra}\r\n${text}\r\n`);
  return {
    head: "Transfer-Encoding: Chunked\r\n",
    wire: `${lines.join("")}0\r\nT: 1\r\n\r\n`,
    text: chunks.map(([text]) => text).join(""),
  };
});
const counted = bodyText.map((text) => ({
  head: `content-length:  ${text.length} \r\n`,
  wire: text,
  text,
}));
const answers = fc.record({
  status: fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
  interim: fc.constantFrom("", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 \r\nlink: x\r\n\r\n"),
  body: fc.oneof(chunked, counted),
  behind: fc.constantFrom("", "HTTP"),
  cuts: fc.array(fc.nat(), { maxLength: 12 }),
});

test("answers are read the same in whatever pieces they come", () => {
  fc.assert(
    fc.property(answers, ({ status, interim, body, behind, cuts }) => {
      const bytes = Buffer.from(
        `${interim}HTTP/1.1 ${status} Some Words\r\nserver: x\r\n${body.head}\r\n${body.wire}${behind}`,
        "latin1",
      );
      const whole = { status, isDone: true, hasMore: behind !== "", body: body.text };
      expect(read(bytes, cuts)).toEqual(whole);
      // Without its end it is not done, nor a fault.
      const missing = bytes.subarray(0, bytes.length - behind.length - 1);
      if (body.wire !== "") expect(read(missing, cuts)).toMatchObject({ isDone: false });
    }),
  );
});

test("any bytes are an answer, the beginning of one, or a fault of a known code", () => {
  const pieces = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 204\r\n",
    "\r\n",
    "a: b\r\n",
    "5\r\nabcde\r\n",
    "transfer-encoding: chunked\r\n",
    "content-length: 3\r\n",
    "\n",
    "x",
    "0\r\n\r\n",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces)), fc.array(fc.nat()), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(""), "latin1");
      const inPieces = read(bytes, cuts);
      const whole = read(bytes, []);
      // What is behind an answer that is whole is seen only when it comes with it.
      expect({ ...inPieces, hasMore: 0 }).toEqual({ ...whole, hasMore: 0 });
      if ("fault" in whole) expect(whole.fault).toMatch(/^HPE_/);
    }),
  );
});

test.each([
  ["HTTP/2 200 OK\r\n\r\n", "HPE_INVALID_CONSTANT"],
  ["<html>", "HPE_INVALID_CONSTANT"],
  ["HTTP/1.1 20 OK\r\n\r\n", "HPE_INVALID_STATUS"],
  ["HTTP/1.1 200 OK\r\na : b\r\n\r\n", "HPE_INVALID_HEADER_TOKEN"],
  ["HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n", "HPE_INVALID_HEADER_TOKEN"],
  ["HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", "HPE_INVALID_HEADER_TOKEN"],
  [
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "HPE_INVALID_CONTENT_LENGTH",
  ],
  ["HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HPE_INVALID_CONTENT_LENGTH"],
  [
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "HPE_INVALID_TRANSFER_ENCODING",
  ],
  ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", "HPE_INVALID_CHUNK_SIZE"],
  ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", "HPE_STRICT"],
  [`HTTP/1.1 200 OK\r\na: ${"b".repeat(17_000)}`, "HPE_HEADER_OVERFLOW"],
  ["HTTP/1.1 100 Continue\r\n\r\n".repeat(9), "HPE_INVALID_STATUS"],
])("%j is a fault", (text, fault) => {
  expect(read(Buffer.from(text, "latin1"), [])).toEqual({ fault });
});

test("a head says how long its connection is kept", () => {
  const of = (text: string) => readAnswerHead(Buffer.from(`HTTP/1.1 200 OK\r\n${text}\r\n`))!;
  expect(of("")).toMatchObject({ isKept: true, keptMs: Number.POSITIVE_INFINITY, body: "close" });
  expect(of("Connection: Close\r\n").isKept).toBe(false);
  expect(of("connection: x\r\nconnection: close\r\n").isKept).toBe(false);
  expect(of("keep-alive: max=3, timeout=5\r\n").keptMs).toBe(4500);
  expect(readAnswerHead(Buffer.from("HTTP/1.0 200 OK\r\n\r\n"))?.isKept).toBe(false);
  expect(of("set-cookie: a\r\nset-cookie: b\r\nx: 1\r\nX:2\r\n").headers).toEqual({
    "set-cookie": ["a", "b"],
    x: "1, 2",
  });
});

/** A webhook whose server says what each test wants to connections. */
async function openAt(server: Server | ReturnType<typeof createSocketServer>) {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sink = await openWebhook(
    create(WebhookSinkSchema, { url: `http://127.0.0.1:${port}/` }),
    env,
  );
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await sink.close();
  });
  const write = (timeoutMs?: number) =>
    sink.write(requestOf(rowsOf([{ a: 1 }])), attempt(timeoutMs));
  return { sink, sockets, write };
}

/** Answers each request, which comes in one piece, with these bytes. */
const answering = (...answers: readonly string[]) => {
  let next = 0;
  return createSocketServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.write(answers[next++ % answers.length]!, "latin1"));
  });
};

test("bytes that nobody asked for end the connection, and never answer the next request", async () => {
  const two =
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
  const { write, sockets } = await openAt(answering(two));
  for (let i = 0; i < 3; i++) expect(await write()).toMatchObject({ kind: "rows" });
  expect(sockets.size).toBe(3);
});

test("what is no HTTP is a failed connection, by its code", async () => {
  const { write } = await openAt(answering("220 smtp.example.com\r\n"));
  expect(await write()).toMatchObject({
    scope: "sink",
    reason: "CONNECTION_FAILED",
    why: "the connection failed: HPE_INVALID_CONSTANT",
  });
});

test("101 is a failure", async () => {
  const { write } = await openAt(answering("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"));
  expect(await write()).toMatchObject({ scope: "sink", reason: "HTTP_101" });
});

test("more requests than connections wait, and go on when some are done or late", async () => {
  const silent = new Set<unknown>();
  const server = createServer(({ socket }, response) => {
    if (!silent.has(socket)) response.end();
  });
  server.on("connection", (socket) => void (silent.size < 16 && silent.add(socket)));
  const { write, sockets } = await openAt(server);
  const hanging = Array.from({ length: 16 }, () => write(300));
  const late = Array.from({ length: 20 }, () => write());
  for (const outcome of await Promise.all(hanging)) {
    expect(outcome).toMatchObject({ reason: "TIMEOUT" });
  }
  for (const outcome of await Promise.all(late)) expect(outcome).toMatchObject({ kind: "rows" });
  expect(sockets.size).toBeLessThanOrEqual(32);
});

test("a sink that is closed fails what is under way and what waits", async () => {
  const { write, sink } = await openAt(createServer(() => undefined));
  const all = Array.from({ length: 20 }, () => write());
  await sink.close();
  for (const outcome of await Promise.all(all)) {
    expect(outcome).toMatchObject({ scope: "sink", reason: "CONNECTION_FAILED" });
  }
});
