import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { call, createApplication, createStream, push } from "../support/api.ts";
import { DENIED_KEY, startAwsDouble } from "../support/aws/double.ts";
import { createDeliveries } from "../support/aws/firehose.ts";
import { createDataStreams } from "../support/aws/kinesis.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { createQueues } from "../support/aws/sqs.ts";
import { clientOf } from "../support/clients.ts";
import { fetchToken, startServer, type TestServer, waitFor } from "../support/server.ts";

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

/** Whether any file below a folder holds these bytes. */
function isOnDisk(folder: string, text: string): boolean {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(text));
}

test("E14: credentials without the right to write make no sink; good ones are on no disk in clear, and in no answer", async () => {
  const kinds = {
    sqs: (key?: string) => queueOf("orders", key),
    kinesis: (key?: string) => ({ kinesis: { streamName: "orders", access: accessOf(key) } }),
    firehose: (key?: string) => ({ firehose: { streamName: "orders", access: accessOf(key) } }),
    s3: (key?: string) => ({ s3: { bucket: "orders", access: accessOf(key) } }),
  };
  const parent = await createStream(server, "guarded", { fields: { id: "LONG" } });
  const list = () => call<{ sinks?: object[] }>(server, `${SERVICE}/ListSinks`, { parent });
  const make = (sinkId: string, sink: object) =>
    call<{ sink: object }>(server, `${SERVICE}/CreateSink`, { parent, sinkId, sink });
  for (const [kind, of] of Object.entries(kinds)) {
    const denied = make(kind, of(DENIED_KEY));
    await expect(denied, kind).rejects.toMatchObject({ reason: "DESTINATION_REFUSED" });
    await expect(denied, kind).rejects.toThrow(/ACCESS_DENIED/);
  }
  expect(await list()).toEqual({});
  for (const [kind, of] of Object.entries(kinds)) {
    const made = await make(kind, of());
    expect(JSON.stringify(made), kind).not.toContain(SECRET);
    const name = `${parent}/sinks/${kind}`;
    const got = await call(server, `${SERVICE}/GetSink`, { name });
    expect(JSON.stringify(got), kind).not.toContain(SECRET);
  }
  const all = await list();
  expect(all.sinks).toHaveLength(4);
  expect(JSON.stringify(all)).not.toContain(SECRET);
  expect(isOnDisk(server.dataDir, `${parent}/sinks/kinesis`)).toBe(true);
  expect(isOnDisk(server.dataDir, SECRET)).toBe(false);
});

/** A call of the REST face; gives status and body. */
async function rest(method: string, path: string, token: string, body?: object) {
  const answer = await fetch(`${server.url}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, text: await answer.text() };
}

test("E16: sinks are listed, got, made, patched and deleted by their ids, over gRPC and as JSON", async () => {
  const parent = await createStream(server, "by-id", { fields: { id: "LONG" } });
  const token = await server.token();
  const file = { config: { case: "file", value: { directory: "by-id" } } } as const;
  const grpc = clientOf(SinkService, server);
  const { sink: one } = await grpc.createSink({ parent, sinkId: "one", sink: file });
  const made = await rest("POST", `${parent}/sinks?sinkId=two`, token, {
    file: { directory: "by-id-2" },
  });
  expect(made.status).toBe(200);
  const listed = JSON.parse((await rest("GET", `${parent}/sinks`, token)).text);
  const names = [`${parent}/sinks/two`, `${parent}/sinks/one`];
  expect(listed.sinks.map(({ name }: { name: string }) => name)).toEqual(names);
  expect((await grpc.listSinks({ parent })).sinks.map(({ name }) => name)).toEqual(names);
  const two = names[0]!;
  await rest("PATCH", `${two}?updateMask=display_name`, token, { displayName: "Second" });
  expect((await grpc.getSink({ name: two })).sink?.displayName).toBe("Second");
  const changed = { name: one!.name, displayName: "First" };
  await grpc.updateSink({ sink: changed, updateMask: { paths: ["display_name"] } });
  expect((await rest("GET", one!.name, token)).text).toContain('"displayName":"First"');
  await grpc.deleteSink({ name: one!.name });
  expect((await rest("DELETE", two, token)).status).toBe(200);
  expect((await grpc.listSinks({ parent })).sinks).toEqual([]);
  for (const name of names) expect((await rest("GET", name, token)).status).toBe(404);
});

test("E16: an unknown id is 404, and so is that of another project, word for word", async () => {
  const project = "projects/elsewhere";
  const made = { projectId: "elsewhere", project: {} };
  await call(server, "management.v1.ProjectService/CreateProject", made);
  const operations = ["api:use-streams-read", "api:use-streams-write", "api:use-streams-manage"];
  const own = await createApplication(server, "stranger", operations, project);
  const env = { CLIENT_ID: own.clientId, CLIENT_SECRET: own.clientSecret };
  const token = await fetchToken(server.url, env);
  const parent = await createStream(server, "hidden", { fields: { id: "LONG" } });
  const sink = { file: { directory: "hidden" } };
  await call(server, `${SERVICE}/CreateSink`, { parent, sinkId: "there", sink });
  for (const [method, body] of [
    ["GET", undefined],
    ["PATCH", { displayName: "Mine" }],
    ["DELETE", undefined],
  ] as const) {
    const [there, none] = await Promise.all(
      ["there", "none"].map(async (id) => {
        const { status, text } = await rest(method, `${parent}/sinks/${id}`, token, body);
        const { code, message } = JSON.parse(text);
        return { status, code, message: message.replaceAll(id, "…") };
      }),
    );
    expect(there, method).toMatchObject({ status: 404 });
    expect(there, method).toEqual(none);
  }
  const owner = await rest("GET", `${parent}/sinks/none`, await server.token());
  expect(owner.status).toBe(404);
  expect((await rest("GET", `${parent}/sinks/there`, await server.token())).status).toBe(200);
});
