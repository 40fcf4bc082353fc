import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import {
  FileSinkSchema,
  KinesisSinkSchema,
  PostgresSinkSchema,
  S3SinkSchema,
  SqsSinkSchema,
  StreamSinkSchema,
  WebhookSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { createLateFeed } from "../../src/app/stream-feed.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { type SinkKind, sinkDrivers } from "../../src/sinks/index.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "../ingest/memory-log.ts";
import { environment, schemaOf } from "../sinks/sample.ts";
import { startReceiver } from "../sinks/webhook/receiver.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createDataStreams } from "../support/aws/kinesis.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { createQueues } from "../support/aws/sqs.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { startFirehose } from "./firehose-harness.ts";
import { startKafkaSink } from "./kafka-harness.ts";
import { startNats } from "./nats-harness.ts";
import { describeSink, type SinkHarness } from "./sink-suite.ts";
import { startTributary } from "./tributary-harness.ts";

const schema = schemaOf([{ name: "id", type: T.LONG }]);

async function startPostgres(): Promise<SinkHarness<"postgres">> {
  const databaseUrl = await createTestDatabase();
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => undefined });
  const config = create(PostgresSinkSchema, { databaseUrl, table: "contract" });
  const faulty = (changes: object) => create(PostgresSinkSchema, { ...config, ...changes });
  return {
    driver: sinkDrivers.postgres,
    config,
    env: environment({ schema }),
    secret: {
      config: faulty({ databaseUrl: "postgres://u:s3cr%C3%A9t@db.example:5432/d" }),
      values: ["s3cr"],
    },
    faulty: [
      { config: faulty({ table: "T" }), field: "table" },
      { config: faulty({ databaseUrl: "postgres:" }), field: "database_url" },
    ],
    refused: '{"id":9223372036854775808}',
    isExactlyOnce: true,
    arrived: async () =>
      (await sql`SELECT id::int FROM contract ORDER BY ctid`).map((row) => row.id),
    async hang() {
      const [locked, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const transaction = sql.begin(async (tx) => {
        await tx`LOCK TABLE contract`;
        locked.resolve();
        await done.promise;
      });
      await locked.promise;
      return async () => {
        done.resolve();
        await transaction;
      };
    },
    close: () => sql.end(),
  };
}

async function startWebhook(): Promise<SinkHarness<"webhook">> {
  const receiver = await startReceiver();
  let isHanging = false;
  const ids: number[] = [];
  receiver.answer = (response, { body }) => {
    if (isHanging) return;
    const records = JSON.parse(body) as { id: number | string }[];
    const isBad = records.some((record) => typeof record.id !== "number");
    if (!isBad) ids.push(...records.map((record) => record.id as number));
    response.writeHead(isBad ? 422 : 204).end();
  };
  const config = create(WebhookSinkSchema, { url: receiver.url });
  return {
    driver: sinkDrivers.webhook,
    config,
    env: environment({ schema }),
    secret: {
      config: create(WebhookSinkSchema, {
        url: "https://user:s3cret@hooks.example/x?a=b",
        headers: { "x-key": "k3y-value" },
        signingSecret: `whsec_${Buffer.alloc(24, 1).toString("base64")}`,
        bearer: { token: "b3arer" },
        clientCredentials: {
          tokenUrl: "https://t.example/",
          clientId: "c",
          clientSecret: "cl1ent",
        },
        clientCertificate: "certificate",
        clientKey: "pr1vate",
      }),
      values: [
        "s3cret",
        "k3y-value",
        "b3arer",
        "cl1ent",
        "pr1vate",
        Buffer.alloc(24, 1).toString("base64"),
      ],
    },
    faulty: [
      { config: create(WebhookSinkSchema, { url: "ftp://h/" }), field: "url" },
      {
        config: create(WebhookSinkSchema, { url: receiver.url, signingSecret: "x" }),
        field: "signing_secret",
      },
    ],
    refused: '{"id":"not a number"}',
    isExactlyOnce: false,
    arrived: async () => [...ids],
    async hang() {
      isHanging = true;
      return async () => {
        isHanging = false;
      };
    },
    close: () => receiver.close(),
  };
}

async function startFile(): Promise<SinkHarness<"file">> {
  const fileSinkDir = await mkdtemp(join(tmpdir(), "tributary-contract-"));
  const config = create(FileSinkSchema, { directory: "contract" });
  return {
    driver: sinkDrivers.file,
    config,
    env: environment({ schema, fileSinkDir }),
    secret: { config, values: [] },
    faulty: [{ config: create(FileSinkSchema, { directory: ".." }), field: "directory" }],
    refused: undefined,
    isExactlyOnce: true,
    async arrived() {
      const folder = join(fileSinkDir, "contract");
      const names = (await readdir(folder)).filter((name) => name.endsWith(".ndjson"));
      const files = await Promise.all(
        names.map(async (name) => ({
          text: await readFile(join(folder, name), "utf8"),
          time: (await stat(join(folder, name), { bigint: true })).mtimeNs,
        })),
      );
      files.sort((a, b) => Number(a.time - b.time));
      const lines = files.flatMap((file) => file.text.trimEnd().split("\n"));
      return lines.map((line) => (JSON.parse(line) as { id: number }).id);
    },
    hang: undefined,
    close: () => rm(fileSinkDir, { recursive: true, force: true }),
  };
}

async function startSqs(): Promise<SinkHarness<"sqs">> {
  const queues = createQueues(["contract"]);
  const queue = queues.queue("contract");
  const double = await startAwsDouble(queues.actions);
  const idsOf = (body: string) =>
    (JSON.parse(Buffer.from(body, "base64").toString()) as { id: number | string }[]).map(
      (record) => record.id,
    );
  queue.refuse = ({ body }) =>
    idsOf(body).some((id) => typeof id !== "number")
      ? { code: "InvalidMessageContents", isSenderFault: true }
      : undefined;
  const access = {
    region: "eu-central-1",
    accessKeyId: "AKIATEST",
    secretAccessKey: "s3cr3t-access-key",
    endpoint: double.url,
  };
  const queueUrl = `${double.url}/123456789012/contract`;
  const config = create(SqsSinkSchema, { queueUrl, access });
  const faulty = (changes: object) =>
    create(SqsSinkSchema, { queueUrl, access: { ...access, ...changes } });
  return {
    driver: sinkDrivers.sqs,
    config,
    env: environment({ schema }),
    secret: { config, values: ["s3cr3t-access-key"] },
    faulty: [
      { config: create(SqsSinkSchema, { queueUrl: "ftp://h/", access }), field: "queue_url" },
      { config: faulty({ region: "" }), field: "access.region" },
      { config: faulty({ secretAccessKey: "" }), field: "access.secret_access_key" },
      { config: faulty({ endpoint: "http://u:p@h/" }), field: "access.endpoint" },
      { config: faulty({ roleArn: "role" }), field: "access.role_arn" },
    ],
    refused: '{"id":"not a number"}',
    isExactlyOnce: false,
    arrived: async () => queue.messages.flatMap(({ body }) => idsOf(body) as number[]),
    async hang() {
      double.isHanging = true;
      return async () => {
        double.isHanging = false;
      };
    },
    close: () => double.close(),
  };
}

async function startKinesis(): Promise<SinkHarness<"kinesis">> {
  const streams = createDataStreams(["contract"]);
  const stream = streams.stream("contract");
  const double = await startAwsDouble(streams.actions);
  const access = {
    region: "eu-central-1",
    accessKeyId: "AKIATEST",
    secretAccessKey: "s3cr3t-access-key",
    endpoint: double.url,
  };
  const configOf = (changes: object) =>
    create(KinesisSinkSchema, { streamName: "contract", access, ...changes });
  return {
    driver: sinkDrivers.kinesis,
    config: configOf({}),
    env: environment({ schema }),
    secret: { config: configOf({}), values: ["s3cr3t-access-key"] },
    faulty: [
      { config: configOf({ streamName: "a b" }), field: "stream_name" },
      { config: configOf({ access: { ...access, region: "here" } }), field: "access.region" },
    ],
    refused: JSON.stringify({ id: 1, text: "x".repeat(1024 * 1024) }),
    isExactlyOnce: false,
    arrived: async () => stream.records.map(({ data }) => (JSON.parse(data) as { id: number }).id),
    async hang() {
      double.isHanging = true;
      return async () => {
        double.isHanging = false;
      };
    },
    close: () => double.close(),
  };
}

async function startS3(): Promise<SinkHarness<"s3">> {
  const buckets = createBuckets(["contract"]);
  const double = await startAwsDouble({}, buckets.fallback);
  const access = {
    region: "eu-central-1",
    accessKeyId: "AKIATEST",
    secretAccessKey: "s3cr3t-access-key",
    endpoint: double.url,
  };
  const configOf = (changes: object) =>
    create(S3SinkSchema, { bucket: "contract", access, ...changes });
  return {
    driver: sinkDrivers.s3,
    config: configOf({}),
    env: environment({ schema }),
    secret: { config: configOf({}), values: ["s3cr3t-access-key"] },
    faulty: [
      { config: configOf({ bucket: "A/b" }), field: "bucket" },
      { config: configOf({ keyTemplate: "{nothing}/" }), field: "key_template" },
      { config: configOf({ keyTemplate: "../" }), field: "key_template" },
      {
        config: configOf({ access: { ...access, accessKeyId: "" } }),
        field: "access.access_key_id",
      },
    ],
    refused: undefined,
    isExactlyOnce: true,
    async arrived() {
      const objects = [...buckets.bucket("contract").objects];
      const lines = objects
        .filter(([name]) => name.endsWith(".ndjson"))
        .flatMap(([, body]) => body.toString().trimEnd().split("\n"));
      return lines.map((line) => (JSON.parse(line) as { id: number }).id);
    },
    hang: undefined,
    close: () => double.close(),
  };
}

async function startStream(): Promise<SinkHarness<"stream">> {
  const target = streamOf({ fields: [field("id", T.LONG)] });
  const log = memoryLog();
  const feed = createLateFeed();
  feed.connect(createIngest({ ...memoryDefinitions(target), log: log.writer }));
  const config = create(StreamSinkSchema, { stream: target.name });
  const faulty = (changes: object) => create(StreamSinkSchema, { ...config, ...changes });
  return {
    driver: sinkDrivers.stream,
    config,
    env: environment({ schema, feed }),
    secret: { config, values: [] },
    faulty: [
      { config: faulty({ stream: "projects/p" }), field: "stream" },
      { config: faulty({ branch: "No" }), field: "branch" },
    ],
    refused: '{"id":"not a number"}',
    isExactlyOnce: true,
    arrived: async () => log.records().map((text) => (JSON.parse(text) as { id: number }).id),
    hang: undefined,
    close: async () => undefined,
  };
}

/** A harness for each kind; the compiler checks that none is missing. Kafka and Tributary run in files of their own. */
const harnesses = {
  postgres: startPostgres,
  webhook: startWebhook,
  file: startFile,
  sqs: startSqs,
  kinesis: startKinesis,
  firehose: () => startFirehose(schema),
  kafka: () => startKafkaSink(schema),
  nats: () => startNats(schema),
  tributary: () => startTributary(schema),
  s3: startS3,
  stream: startStream,
} satisfies { [K in SinkKind]: () => Promise<SinkHarness<K>> };

describeSink("postgres", harnesses.postgres);
describeSink("webhook", harnesses.webhook);
describeSink("file", harnesses.file);
describeSink("sqs", harnesses.sqs);
describeSink("kinesis", harnesses.kinesis);
describeSink("firehose", harnesses.firehose);
describeSink("nats", harnesses.nats);
describeSink("s3", harnesses.s3);
describeSink("stream", harnesses.stream);
