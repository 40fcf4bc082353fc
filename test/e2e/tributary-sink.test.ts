import { createServer, request as forward } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { TributarySink_Method } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { fail } from "../../src/core/errors.ts";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { outcomeOfRefusal } from "../../src/sinks/tributary/fault.ts";
import { describeSink, type SinkHarness } from "../contract/sink-suite.ts";
import { startTributary } from "../contract/tributary-harness.ts";
import { attempt, requestOf, rowsOf, schemaOf as schemaWith } from "../sinks/sample.ts";
import {
  call,
  countsOf,
  createApplication,
  createGrant,
  createSink,
  createStream,
  listAll,
  push,
} from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
let harness: SinkHarness<"tributary">;
const schema = schemaWith([{ name: "id", type: T.LONG }]);

beforeAll(async () => {
  server = await startServer();
  harness = await startTributary(schema, server);
});
afterAll(() => server?.close());

describeSink("tributary", async () => harness);

test("mapped records come into a stream of a server that knows us as an application, in order per key, with ids that lead back", async () => {
  const fields = { key: "STRING", n: "LONG" };
  const from = await createStream(server, "near", { fields, keyFields: ["key"] });
  const to = await createStream(server, "far", {
    fields: { who: "STRING", n: "LONG" },
    keyFields: ["who"],
  });
  const { clientId, clientSecret } = await createApplication(server, "feeder");
  await createGrant(server, to, { clientId, role: "EDITOR" });
  const sink = await createSink(server, from, {
    id: "onward",
    tributary: { url: server.url, stream: to, clientId, clientSecret },
    mapping: {
      columns: [
        { name: "who", path: { path: "key" }, type: "STRING" },
        { name: "n", path: { path: "n" }, type: "LONG" },
      ],
    },
  });
  expect(JSON.stringify(sink)).not.toContain(clientSecret);
  const records = Array.from({ length: 300 }, (_, n) => ({ key: `k${n % 7}`, n }));
  for (let at = 0; at < 300; at += 100) await push(server, from, records.slice(at, at + 100));
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === 300, {
    what: "delivery",
  });
  const stored = await listAll(server, to);
  expect(stored).toHaveLength(300);
  const byKey = Map.groupBy(stored, ({ value }) => String(value.who));
  for (const own of byKey.values()) {
    const numbers = own.map(({ value }) => Number(value.n));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  const origins = new Set((await listAll(server, from)).map(({ id }) => id));
  expect(new Set(stored.map(({ producerId }) => producerId))).toEqual(origins);
});

test("N11: a wrong secret, a missing grant, a missing stream and an address inside are told apart", async () => {
  const { clientId, clientSecret } = await createApplication(server, "stranger");
  const lastOf = async (changes: object, env = harness.env) => {
    const config = Object.assign({ ...harness.config }, changes);
    const options = { prepare: false, signal: attempt() };
    const stages = await sinkDrivers.tributary.test(config, env, options);
    expect(JSON.stringify(stages)).not.toContain(clientSecret);
    return `${stages.at(-1)?.name} ${stages.at(-1)?.message}`;
  };
  expect(await lastOf({})).toMatch(/^write the stream takes records/);
  expect(await lastOf({ clientSecret: "wrong" })).toMatch(/^authenticate AUTHENTICATION_FAILED/);
  expect(await lastOf({ clientId, clientSecret })).toMatch(/^write ROLE_MISSING/);
  const missing = harness.config.stream.replace("contract", "missing");
  expect(await lastOf({ stream: missing })).toMatch(/^write RESOURCE_NOT_FOUND/);
  const outside = { ...harness.env, isLoopbackAllowed: false };
  expect(await lastOf({}, outside)).toMatch(/^authenticate ADDRESS_REFUSED/);
  const sink = await sinkDrivers.tributary.open(harness.config, outside);
  await sink.close();
  await expect(
    call(server, "management.v1.SinkService/CreateSink", {
      parent: harness.config.stream,
      sinkId: "no",
      sink: { tributary: { url: server.url, stream: missing, clientId, clientSecret } },
    }),
  ).rejects.toMatchObject({ reason: "DESTINATION_REFUSED" });
});

test("refusals of the other side: its hints are followed, records at fault are found, all else waits", () => {
  const full = fail("STREAM_FULL", "full", { retryAfterMs: 2_500 });
  expect(outcomeOfRefusal(full, 3)).toMatchObject({
    kind: "retry",
    scope: "sink",
    reason: "STREAM_FULL",
    afterMs: 2_500,
    burnsAttempt: false,
  });
  const invalid = fail("RECORD_INVALID", "records[1].value.id is no number");
  expect(outcomeOfRefusal(invalid, 3)).toMatchObject({ kind: "retry", scope: "request" });
  expect(outcomeOfRefusal(invalid, 1)).toMatchObject({ outcomes: [{ kind: "reject" }] });
  const large = new ConnectError("too large", Code.ResourceExhausted);
  expect(outcomeOfRefusal(large, 2)).toMatchObject({ kind: "retry", scope: "request" });
  for (const code of [Code.NotFound, Code.PermissionDenied, Code.Internal, Code.Unavailable]) {
    expect(outcomeOfRefusal(new ConnectError("no", code), 1)).toMatchObject({
      kind: "retry",
      scope: "sink",
      burnsAttempt: true,
    });
  }
});

/** Passes bytes on, to what the server listens on; connections can be cut. */
async function startWire(target: string) {
  const { port } = new URL(target);
  const open = new Set<Socket>();
  const wire = createNetServer((socket) => {
    const onward = connect(Number(port), "127.0.0.1");
    open.add(socket);
    for (const [a, b] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      a.on("error", () => b.destroy());
      a.on("close", () => {
        open.delete(socket);
        b.destroy();
      });
      a.pipe(b);
    }
  });
  await new Promise<void>((listening) => wire.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void wire.close());
  return {
    url: `http://127.0.0.1:${(wire.address() as AddressInfo).port}`,
    cut: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

test("a PushStream that breaks is opened again; a repeat stores nothing twice, by either method", async () => {
  const wire = await startWire(server.url);
  for (const method of [TributarySink_Method.PUSH_STREAM, TributarySink_Method.PUSH]) {
    const stream = await createStream(server, `wired-${method}`, { fields: { id: "LONG" } });
    const config = { ...harness.config, url: wire.url, stream, method };
    const sink = await sinkDrivers.tributary.open(config, {
      ...harness.env,
      sinkUid: `w${method}`,
    });
    const first = requestOf(rowsOf([{ id: 1 }], 1));
    expect(await sink.write(first, attempt())).toMatchObject({ kind: "rows" });
    wire.cut();
    const again = async () => (await sink.write(first, attempt())).kind === "rows";
    await waitFor(again, { what: "the stream to be opened again" });
    const next = requestOf(rowsOf([{ id: 2 }, { id: 3 }], 2));
    expect(await sink.write(next, attempt())).toMatchObject({ kind: "rows" });
    expect((await listAll(server, stream)).map(({ value }) => value.id)).toEqual([1, 2, 3]);
    await sink.close();
  }
});

test("a way that speaks HTTP/1.1 only is said to, and no other method is chosen silently", async () => {
  const one = createServer((request, response) => {
    const onward = forward(server.url + request.url, {
      method: request.method ?? "GET",
      headers: { ...request.headers, host: new URL(server.url).host },
    });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  await new Promise<void>((listening) => one.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void one.close());
  const url = `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  const lastOf = async (method: TributarySink_Method) => {
    const config = { ...harness.config, url, method };
    const options = { prepare: false, signal: attempt() };
    return (await sinkDrivers.tributary.test(config, harness.env, options)).at(-1)?.message;
  };
  expect(await lastOf(TributarySink_Method.METHOD_UNSPECIFIED)).toMatch(
    /HTTP2_REFUSED: .* set method to PUSH/,
  );
  expect(await lastOf(TributarySink_Method.PUSH)).toMatch(/the stream takes records/);
});
