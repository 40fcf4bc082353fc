import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sendHttp2, sendRaw } from "../server/raw-http.ts";
import { ApiError, call, createSink, createStream, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
let port: number;

beforeAll(async () => {
  server = await startServer();
  port = Number(new URL(server.url).port);
});
afterAll(() => server?.close());

/** The process lives, and answers others at once. */
async function expectUnharmed(): Promise<void> {
  expect(server.child.exitCode).toBeNull();
  const startedAt = performance.now();
  const answer = await fetch(`${server.url}/readyz`, { signal: AbortSignal.timeout(5_000) });
  expect(answer.status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
}

/** A session from an address of its own, so that its misdeeds are not those of other tests. */
function openSession(localAddress: string): ClientHttp2Session {
  const createConnection = () => connect({ port, host: "127.0.0.1", localAddress });
  const session = connectHttp2(server.url, { createConnection });
  session.on("error", () => undefined);
  return session;
}

describe("47: 1,000 header pairs", () => {
  const pairs = Array.from({ length: 1_000 }, (_, n) => `x${n}`);

  test("are refused over HTTP/1.1, none of them dropped in silence", async () => {
    const lines = pairs.map((name) => `${name}: 1`).join("\r\n");
    const head = `GET /healthz HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
    const answer = await sendRaw(port, `${head}\r\n`);
    expect(answer.status).toBe(431);
    expect(answer.body).toContain("128 headers");
    // Behind the count that Node would keep, a second token must not go unseen.
    const many = Array.from({ length: 2_100 }, () => "a:").join("\r\n");
    const hidden = `GET /healthz HTTP/1.1\r\nHost: a\r\n${many}\r\nAuthorization: x\r\n\r\n`;
    expect((await sendRaw(port, hidden)).status).toBe(431);
    await expectUnharmed();
  });

  test("are reset over HTTP/2, and the next request of the session is answered", async () => {
    const session = openSession("127.0.0.1");
    const headers = Object.fromEntries(pairs.map((name) => [name, "1"]));
    const answer = await sendHttp2(session, { ":path": "/healthz", ...headers });
    expect([answer.status, answer.reset]).toEqual([0, 11]);
    expect((await sendHttp2(session, { ":path": "/healthz" })).status).toBe(200);
    session.destroy();
    await expectUnharmed();
  });
});

test("54: rapid resets end the session with GOAWAY, and their address gets no other for a while", async () => {
  const session = openSession("127.0.0.2");
  await once(session, "remoteSettings");
  const goaway = once(session, "goaway");
  let sent = 0;
  while (!session.closed && !session.destroyed && sent < 5_000) {
    for (let i = 0; i < 50 && !session.closed && !session.destroyed; i++, sent++) {
      const stream = session.request({ ":path": "/healthz" });
      stream.on("error", () => undefined);
      stream.close(8);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await goaway;
  expect(sent).toBeLessThan(3_000);
  const again = openSession("127.0.0.2");
  await once(again, "close");
  const other = openSession("127.0.0.1");
  expect((await sendHttp2(other, { ":path": "/healthz" })).status).toBe(200);
  other.destroy();
  await expectUnharmed();
});

test("55: of 2,000 half-open streams no more than 100 are taken", async () => {
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.3" });
  socket.on("error", () => undefined);
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  const closed = once(socket, "close");
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(Buffer.concat([preface, frame(4, 0, 0, [])]));
  // The limit binds once its settings are acknowledged.
  await waitFor(() => framesOf(bytes).some(({ type }) => type === 4));
  // POST / of authority x, and no end of the stream.
  const block = [0x83, 0x86, 0x84, 0x41, 0x01, 0x78];
  const opens = Array.from({ length: 2_000 }, (_, n) => frame(1, 4, 2 * n + 1, block));
  socket.write(Buffer.concat([frame(4, 1, 0, []), ...opens]));
  await Promise.race([closed, waitFor(() => framesOf(bytes).some(({ type }) => type === 7))]);
  const answered = framesOf(bytes).filter(({ type }) => type === 1).length;
  expect(answered).toBeLessThanOrEqual(100);
  socket.destroy();
  await expectUnharmed();
});

test.each([
  ["a retention of -1 bytes", { retention: { bytes: "-1" } }],
  ["a retention of -1 seconds", { retention: { age: "-1s" } }],
])("22: %s is 400: an unsigned number below zero", async (_, input) => {
  const made = createStream(server, "negative", { fields: { a: "STRING" }, ...input });
  const error = await made.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  expect((error as ApiError).status).toBe(400);
  expect((error as ApiError).text).toContain("retention");
});

test("22: a page size of -1 is 400, in the body and in the query", async () => {
  const listed = call(server, "management.v1.StreamService/ListStreams", {
    parent: "projects/demo",
    pageSize: -1,
  });
  await expect(listed).rejects.toMatchObject({ status: 400 });
  expect((await server.get("/v1/projects/demo/streams?pageSize=-1")).status).toBe(400);
});

describe("59: hostile names of tables and columns", () => {
  const injection = 'a"; drop table victim;--';
  let database: postgres.Sql;
  let stream: string;

  beforeAll(async () => {
    database = postgres(server.env.SINK_DATABASE_URL ?? "", { max: 1 });
    await database`CREATE TABLE victim (a int)`;
    stream = await createStream(server, "names", { fields: { note: "STRING" } });
  });
  afterAll(() => database?.end());

  test.each([
    ["injection", { table: injection }, "table"],
    ["64 bytes", { table: "a".repeat(64) }, "table"],
    ["a dot", { table: "public.victim" }, "table"],
    ["NUL", { table: "a\u0000b" }, "table"],
    ["pg_catalog", { schema: "pg_catalog", table: "pg_class" }, "schema"],
    ["information_schema", { schema: "information_schema", table: "a" }, "schema"],
    ["a column", { table: "good", metadataColumns: { recordId: injection } }, "metadata_columns"],
  ])("%s as a name in a sink is 400 and names the field", async (_, names, field) => {
    const made = createSink(server, stream, { id: "hostile", postgres: { ...names } });
    const error = (await made.catch((caught: unknown) => caught)) as ApiError;
    expect(error.status, String(error)).toBe(400);
    expect(error.text).toContain(field);
  });

  test("a field with such a name is refused, or is a quoted column that harms nothing", async () => {
    const odd = await createStream(server, "odd-names", {
      fields: { note: "STRING", [injection]: "STRING?" },
    }).catch((caught: ApiError) => {
      expect(caught.status).toBe(400);
      return undefined;
    });
    if (odd) {
      await createSink(server, odd, { id: "table", postgres: { table: "odd_names" } });
      expect((await push(server, odd, [{ note: "n", [injection]: "v" }])).status).toBe(200);
      const rows = () => database`SELECT * FROM odd_names`.catch(() => []);
      await waitFor(async () => (await rows()).length === 1, { timeoutMs: 20_000 });
      expect((await rows())[0]).toMatchObject({ [injection]: "v" });
    }
    expect(await database`SELECT * FROM victim`).toEqual([]);
  });

  test("a cell =cmd() reaches its table as it came: only an export to CSV would prefix it", async () => {
    const cells = ["=cmd()", "+1", "-1", "@SUM(1)", "'; drop table victim;--"];
    await createSink(server, stream, { id: "cells", postgres: { table: "cells" } });
    const records = cells.map((note) => ({ note }));
    expect((await push(server, stream, records)).status).toBe(200);
    const rows = () => database<{ note: string }[]>`SELECT note FROM cells`.catch(() => []);
    await waitFor(async () => (await rows()).length === cells.length, { timeoutMs: 20_000 });
    expect((await rows()).map((row) => row.note).sort()).toEqual([...cells].sort());
    expect(await database`SELECT * FROM victim`).toEqual([]);
  });
});

describe("check 7: callers are known before a byte of their body is read", () => {
  const GIGABYTE = 1_000_000_000;
  const WAYS: [way: string, path: string, type: string][] = [
    ["REST push", "/v1/projects/demo/streams/sensors/records", "application/json"],
    ["Connect push", "/tributary.push.v1.PushService/Push", "application/json"],
    ["gRPC push", "/tributary.push.v1.PushService/Push", "application/grpc"],
    ["gRPC push stream", "/tributary.push.v1.PushService/PushStream", "application/grpc"],
    ["management", "/tributary.management.v1.StreamService/CreateStream", "application/json"],
    ["records", "/tributary.records.v1.RecordService/ListRecords", "application/proto"],
  ];

  test.concurrent.each(WAYS.filter(([, , type]) => type !== "application/grpc"))(
    "%s: 1 GB over HTTP/1.1 without credentials is refused after its head",
    async (_, path, type) => {
      const lines = [
        `POST ${path} HTTP/1.1`,
        "Host: a",
        `Content-Type: ${type}`,
        `Content-Length: ${GIGABYTE}`,
      ];
      const socket = connect(port, "127.0.0.1");
      let answer = "";
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => (answer += chunk));
      const closed = closeOf(socket);
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      // Nothing of the body was sent, and the answer is there.
      await waitFor(() => answer.includes("\r\n\r\n"));
      expect(answer).toMatch(/^HTTP\/1\.1 401/);
      const sent = await uploadUntilClosed(socket, GIGABYTE);
      await closed;
      expect(sent).toBeLessThan(GIGABYTE / 2);
      await expectUnharmed();
    },
  );

  test.concurrent.each(WAYS)("%s: over HTTP/2 likewise", async (_, path, type) => {
    const session = openSession("127.0.0.1");
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": type,
      "content-length": String(GIGABYTE),
      te: "trailers",
    });
    stream.on("error", () => undefined);
    // gRPC tells its refusals in trailers, under 200.
    const refused = new Promise((resolve) => {
      stream.on("response", (head) => {
        if (head[":status"] === 401 || head["grpc-status"] === "16") resolve("refused");
      });
      stream.on("trailers", (trailers) => {
        if (trailers["grpc-status"] === "16") resolve("refused");
      });
    });
    stream.resume();
    expect(await refused).toBe("refused");
    const closed = closeOf(stream);
    const sent = await uploadUntilClosed(stream, GIGABYTE);
    await closed;
    expect(sent).toBeLessThan(GIGABYTE / 2);
    session.destroy();
    await expectUnharmed();
  });
});

/** Unlike `once` of Node it does not fail when the connection did. */
function closeOf(target: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (target.closed) resolve();
    else target.once("close", () => resolve());
  });
}

/** Writes until the other side has had enough; gives the bytes that it let through. */
async function uploadUntilClosed(target: Duplex, max: number): Promise<number> {
  const chunk = Buffer.alloc(256 * 1024);
  const closed = closeOf(target);
  let sent = 0;
  while (sent < max && target.writable) {
    sent += chunk.length;
    // As fast as a fast network, and no faster: the machine has other things to do.
    if (target.write(chunk)) await new Promise((resolve) => setTimeout(resolve, 5));
    else await Promise.race([new Promise((resolve) => target.once("drain", resolve)), closed]);
  }
  target.destroy();
  return sent;
}

function frame(type: number, flags: number, stream: number, payload: number[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

function framesOf(bytes: Buffer): { type: number }[] {
  const frames: { type: number }[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    frames.push({ type: bytes[at + 3]! });
  return frames;
}
