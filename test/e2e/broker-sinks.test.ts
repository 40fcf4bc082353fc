import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, push } from "../support/api.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { type NatsStream, openNatsStream } from "../support/nats-stream.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

const SERVICE = "management.v1.SinkService";
const TOKEN = "n4ts-t0ken";
let server: TestServer;
let nats: TestNats;
let kept: NatsStream;

beforeAll(async () => {
  const config = `authorization { token: "${TOKEN}" }`;
  [server, nats] = await Promise.all([
    startServer(),
    startTestNats({ syncInterval: "2m", config }),
  ]);
  const options = { servers: nats.url, token: TOKEN };
  kept = await openNatsStream(options, { name: "SHOP", subjects: ["shop.>"] });
});
afterAll(async () => {
  await kept?.close();
  await nats?.close();
  await server?.close();
});

async function delivered(name: string, count: number): Promise<void> {
  await waitFor(async () => (await countsOf(server, name)).delivered === count, {
    what: `${count} records of ${name}`,
  });
}

test("NATS: mapped records go to the subject of their key, each once and in order, also of an earlier key", async () => {
  const stream = await createStream(server, "orders", {
    fields: { n: "LONG", customer: "STRING", region: "STRING" },
    keyFields: ["customer", "region"],
  });
  const records = Array.from({ length: 60 }, (_, n) => ({
    n,
    customer: `c.${n % 3}`,
    region: "eu",
  }));
  await push(server, stream, records.slice(0, 30));
  // Another key is another generation; records of the one before keep theirs.
  await call(server, "management.v1.StreamService/UpdateStream", {
    stream: { name: stream, keyFields: ["customer"] },
    updateMask: "keyFields",
  });
  const sink = await createSink(server, stream, {
    id: "subjects",
    start: { position: "EARLIEST" },
    nats: { servers: [nats.url], subject: "shop.{key}.{number}", token: TOKEN },
    mapping: { columns: [{ name: "number", path: { path: "n" }, type: "LONG" }] },
  });
  expect(JSON.stringify(sink)).not.toContain(TOKEN);
  await push(server, stream, records.slice(30));
  await delivered(sink.name, 60);
  const found = await kept.messages();
  const wanted = (n: number) =>
    n < 30 ? `shop.3%3Ac%2E${n % 3}2%3Aeu.${n}` : `shop.c%2E${n % 3}.${n}`;
  expect(found).toHaveLength(60);
  for (const rest of [0, 1, 2]) {
    const own = found.filter(({ data }) => JSON.parse(data).number % 3 === rest);
    const numbers = records.map(({ n }) => n).filter((n) => n % 3 === rest);
    expect(own.map(({ subject }) => subject)).toEqual(numbers.map(wanted));
    expect(own.map(({ data }) => data)).toEqual(numbers.map((n) => `{"number":${n}}`));
  }
});

test("NATS: a destination that does not answer makes no sink, and a saved token is kept for its servers", async () => {
  const stream = await createStream(server, "refunds", { fields: { n: "LONG" } });
  const refused = (config: object) =>
    expect(
      call(server, `${SERVICE}/CreateSink`, {
        parent: stream,
        sinkId: "no",
        sink: { nats: config },
      }),
    ).rejects;
  const good = { servers: [nats.url], subject: "shop.refunds", token: TOKEN };
  await refused({ ...good, token: "wrong" }).toMatchObject({ reason: "DESTINATION_REFUSED" });
  await refused({ ...good, subject: "lost" }).toMatchObject({ reason: "DESTINATION_REFUSED" });
  await refused({ ...good, subject: "a.>" }).toMatchObject({ reason: "INVALID_FIELDS" });
  const sink = await createSink(server, stream, { id: "refunds", nats: good });
  const { token: _, ...rest } = good;
  const update = (nats: object) =>
    call(server, `${SERVICE}/UpdateSink`, { sink: { name: sink.name, nats }, updateMask: "nats" });
  await update({ ...rest, subject: "shop.refunds.new", token: "" });
  await expect(
    update({ ...rest, servers: ["nats://127.0.0.1:1"], token: "" }),
  ).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  await push(server, stream, [{ n: 7 }]);
  await delivered(sink.name, 1);
  expect((await kept.messages()).at(-1)).toMatchObject({ subject: "shop.refunds.new" });
});
