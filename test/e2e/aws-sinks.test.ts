import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream, push } from "../support/api.ts";
import { DENIED_KEY, startAwsDouble } from "../support/aws/double.ts";
import { createDeliveries } from "../support/aws/firehose.ts";
import { createDataStreams } from "../support/aws/kinesis.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { createQueues } from "../support/aws/sqs.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

const SERVICE = "management.v1.SinkService";
const SECRET = "s3cr3t-access-key";
const queues = createQueues(["orders", "orders.fifo"]);
const streams = createDataStreams(["orders"]);
const deliveries = createDeliveries(["orders"]);
const buckets = createBuckets(["orders"]);
let double: Awaited<ReturnType<typeof startAwsDouble>>;
let server: TestServer;
let stream: string;

beforeAll(async () => {
  const actions = { ...queues.actions, ...streams.actions, ...deliveries.actions };
  double = await startAwsDouble(actions, buckets.fallback);
  server = await startServer();
  const fields = { id: "LONG", customer: "STRING" };
  stream = await createStream(server, "orders", { fields, keyFields: ["customer"] });
});
afterAll(async () => {
  await server?.close();
  await double?.close();
});

const accessOf = (accessKeyId = "AKIATEST") => ({
  region: "eu-central-1",
  accessKeyId,
  secretAccessKey: SECRET,
  endpoint: double.url,
});
const queueOf = (name: string, accessKeyId?: string) => ({
  sqs: { queueUrl: `${double.url}/123456789012/${name}`, access: accessOf(accessKeyId) },
});

async function create(sinkId: string, sink: object): Promise<string> {
  const answer = await call<{ sink: { name: string } }>(server, `${SERVICE}/CreateSink`, {
    parent: stream,
    sinkId,
    sink,
  });
  expect(JSON.stringify(answer)).not.toContain(SECRET);
  return answer.sink.name;
}

test("G01, E18: records go to SQS, Kinesis, Firehose and S3, each key in order", async () => {
  const fifo = await create("fifo", queueOf("orders.fifo"));
  await create("readings", { kinesis: { streamName: "orders", access: accessOf() } });
  await create("clicks", { firehose: { streamName: "orders", access: accessOf() } });
  await create("lake", {
    s3: { bucket: "orders", access: accessOf(), compression: "NONE" },
    batching: { time: "1s" },
  });
  const records = Array.from({ length: 60 }, (_, id) => ({ id, customer: `c${id % 5}` }));
  for (let at = 0; at < records.length; at += 20) {
    await push(server, stream, records.slice(at, at + 20));
  }
  const parse = (text: string) => JSON.parse(text) as (typeof records)[number];
  const arrived = {
    sqs: () =>
      queues
        .queue("orders.fifo")
        .messages.flatMap(({ body }) => JSON.parse(Buffer.from(body, "base64").toString())),
    kinesis: () => streams.stream("orders").records.map(({ data }) => parse(data)),
    firehose: () => deliveries.delivery("orders").records.map(parse),
    s3: () =>
      [...buckets.bucket("orders").objects]
        .filter(([name]) => name.endsWith(".ndjson"))
        .flatMap(([, body]) => body.toString().trimEnd().split("\n").map(parse)),
  };
  for (const [kind, read] of Object.entries(arrived)) {
    await waitFor(async () => read().length >= records.length, { what: `records in ${kind}` });
    for (const customer of ["c0", "c1", "c2", "c3", "c4"]) {
      const wanted = records.filter((record) => record.customer === customer);
      expect(read().filter((record: { customer: string }) => record.customer === customer)).toEqual(
        wanted,
      );
    }
  }
  const groups = new Set(queues.queue("orders.fifo").messages.map(({ group }) => group));
  // Five keys, and the group of the message that tried the queue at creation.
  expect(groups.size).toBe(6);
  const { sink } = await call<{ sink: object }>(server, `${SERVICE}/GetSink`, { name: fifo });
  expect(JSON.stringify(sink)).not.toContain(SECRET);
});

test("G03, G08, G09: settings are tried unsaved, and a saved secret is kept but never returned", async () => {
  const denied = await call<{ ok: boolean; stages: { message: string; remedy: string }[] }>(
    server,
    `${SERVICE}/TestSink`,
    { parent: stream, sink: queueOf("orders", DENIED_KEY) },
  );
  expect(denied.ok).not.toBe(true);
  expect(denied.stages.at(-1)?.message).toMatch(/^ACCESS_DENIED/);
  expect(denied.stages.at(-1)?.remedy).toContain("arn:aws:sqs:eu-central-1:123456789012:orders");
  await expect(create("denied", queueOf("orders", DENIED_KEY))).rejects.toMatchObject({
    reason: "DESTINATION_REFUSED",
  });
  const name = await create("plain", queueOf("orders"));
  const { secretAccessKey: _, ...access } = accessOf();
  const changed = {
    name,
    sqs: { queueUrl: `${double.url}/123456789012/orders`, access, encoding: "JSON" },
  };
  await call(server, `${SERVICE}/UpdateSink`, { sink: changed, updateMask: "sqs" });
  await push(server, stream, [{ id: 100, customer: "c9" }]);
  const queue = queues.queue("orders");
  await waitFor(async () => queue.messages.some(({ body }) => body.includes('"id":100')), {
    what: "the record in plain JSON",
  });
});
