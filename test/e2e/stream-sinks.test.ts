import { afterAll, beforeAll, expect, test } from "vitest";
import {
  call,
  countsOf,
  createApplication,
  createGrant,
  createSink,
  createStream,
  getSink,
  listAll,
  push,
} from "../support/api.ts";
import { createTokenCache, startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("F24: mapped records come into another stream of the project, in order per key, each once", async () => {
  const from = await createStream(server, "raw", {
    fields: { key: "STRING", n: "LONG" },
    keyFields: ["key"],
    throughput: "HIGH",
  });
  const to = await createStream(server, "refined", {
    fields: { who: "STRING", number: "LONG" },
    keyFields: ["who"],
    throughput: "HIGH",
  });
  const sink = await createSink(server, from, {
    id: "onward",
    stream: { stream: to },
    mapping: {
      columns: [
        { name: "who", path: { path: "key" }, type: "STRING" },
        { name: "number", path: { path: "n" }, type: "LONG" },
      ],
    },
  });
  const count = 600;
  for (let n = 0; n < count; n += 100) {
    const records = Array.from({ length: 100 }, (_, i) => ({ key: `k${i % 7}`, n: n + i }));
    expect((await push(server, from, records)).status).toBe(200);
  }
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === count, {
    what: "delivery",
  });
  const stored = await listAll(server, to);
  expect(stored).toHaveLength(count);
  const byKey = Map.groupBy(stored, ({ value }) => String(value.who));
  expect(byKey.size).toBe(7);
  for (const records of byKey.values()) {
    const numbers = records.map(({ value }) => Number(value.number));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  // The way back: each record names the one that it was made of.
  const origins = new Set((await listAll(server, from)).map(({ id }) => id));
  expect(new Set(stored.map(({ producerId }) => producerId))).toEqual(origins);
});

test("F24: a record that does not fit the other stream is held, the others go on", async () => {
  const from = await createStream(server, "loose", { fields: { n: "LONG", note: "STRING?" } });
  const to = await createStream(server, "strict", { fields: { n: "LONG", note: "STRING" } });
  const sink = await createSink(server, from, { id: "onward", stream: { stream: to } });
  await push(server, from, [{ n: 1, note: "a" }, { n: 2 }, { n: 3, note: "c" }]);
  const isSettled = async () => {
    const { pushed, pending } = await countsOf(server, sink.name);
    return pushed === 3 && pending === 0;
  };
  await waitFor(isSettled, { what: "three settled records" });
  expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 2, held: 1 });
  expect((await listAll(server, to)).map(({ value }) => Number(value.n))).toEqual([1, 3]);
  const { heldRecords } = await call<{ heldRecords: { reason: string; error: string }[] }>(
    server,
    "management.v1.SinkService/ListHeldRecords",
    { parent: sink.name },
  );
  expect(heldRecords).toMatchObject([
    { reason: "RECORD_INVALID", error: expect.stringContaining("note") },
  ]);
});

test("F24: circles are refused, also through other streams and by an update", async () => {
  const [a, b, c] = await Promise.all(
    ["circle-a", "circle-b", "circle-c"].map((id) =>
      createStream(server, id, { fields: { n: "LONG" } }),
    ),
  );
  const feed = (from: string, to: string, id = "onward") =>
    createSink(server, from, { id, stream: { stream: to } });
  await expect(feed(a!, a!)).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  await feed(a!, b!);
  await feed(b!, c!);
  await expect(feed(c!, a!)).rejects.toMatchObject({
    reason: "INVALID_FIELDS",
    text: expect.stringContaining(
      "circle-c/branches/main → projects/demo/streams/circle-a/branches/main → ",
    ),
  });
  const d = await createStream(server, "circle-d", { fields: { n: "LONG" } });
  const { name } = await feed(c!, d);
  await expect(
    call(server, "management.v1.SinkService/UpdateSink", {
      sink: { name, stream: { stream: a } },
      updateMask: "stream",
    }),
  ).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
});

test("F24: of two sinks saved at once that would close a circle, one is refused", async () => {
  const [a, b] = await Promise.all(
    ["race-a", "race-b"].map((id) => createStream(server, id, { fields: { n: "LONG" } })),
  );
  const results = await Promise.allSettled([
    createSink(server, a!, { id: "onward", stream: { stream: b } }),
    createSink(server, b!, { id: "onward", stream: { stream: a } }),
  ]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("F24: only streams of the project, that exist, and that the caller may write to", async () => {
  const from = await createStream(server, "own", { fields: { n: "LONG" } });
  const to = await createStream(server, "other", { fields: { n: "LONG" } });
  const sinkTo = (stream: string) => ({ id: "onward", stream: { stream } });
  await expect(
    createSink(server, from, sinkTo("projects/elsewhere/streams/s")),
  ).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  await expect(
    createSink(server, from, sinkTo("projects/demo/streams/nothing")),
  ).rejects.toMatchObject({ reason: "DESTINATION_REFUSED" });
  const operations = ["api:use-streams-read", "api:use-streams-manage"];
  const app = await createApplication(server, "half", operations);
  await createGrant(server, from, { clientId: app.clientId, role: "EDITOR" });
  const env = { CLIENT_ID: app.clientId, CLIENT_SECRET: app.clientSecret };
  const half = { ...server, token: createTokenCache(server.url, env) };
  await expect(createSink(half, from, sinkTo(to))).rejects.toMatchObject({
    reason: "ROLE_MISSING",
  });
  await createGrant(server, to, { clientId: app.clientId, role: "EDITOR" });
  expect((await getSink(server, (await createSink(half, from, sinkTo(to))).name)).uid).toBeTruthy();
});
