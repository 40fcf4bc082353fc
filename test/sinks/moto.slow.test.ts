import { CreateDeliveryStreamCommand, FirehoseClient } from "@aws-sdk/client-firehose";
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
} from "@aws-sdk/client-kinesis";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { create } from "@bufbuild/protobuf";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  FirehoseSinkSchema,
  KinesisSink_Order,
  KinesisSinkSchema,
  S3SinkSchema,
  SqsSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { type Moto, startMoto } from "../support/aws/moto.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "./sample.ts";

const env = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const records = Array.from({ length: 30 }, (_, id) => ({ id }));
const rows = rowsOf(records).map((row, i) => ({ ...row, keyHash: i % 3 }));
const options = () => ({ prepare: false, signal: attempt(60_000) });
let moto: Moto;
let access: { region: string; accessKeyId: string; secretAccessKey: string; endpoint: string };
let clientOptions: object;

beforeAll(async () => {
  moto = await startMoto();
  const keys = { accessKeyId: "AKIATEST", secretAccessKey: "secret" };
  access = { region: "eu-central-1", endpoint: moto.url, ...keys };
  clientOptions = {
    region: access.region,
    endpoint: moto.url,
    credentials: keys,
    forcePathStyle: true,
  };
}, 300_000);
afterAll(() => moto?.close());

test.each([false, true])("moto: messages arrive in a queue (FIFO: %s)", async (isFifo) => {
  const client = new SQSClient(clientOptions);
  const { QueueUrl = "" } = await client.send(
    new CreateQueueCommand({
      QueueName: isFifo ? "q.fifo" : "q",
      ...(isFifo && { Attributes: { FifoQueue: "true" } }),
    }),
  );
  const config = create(SqsSinkSchema, { queueUrl: QueueUrl, access });
  const stages = await sinkDrivers.sqs.test(config, env, options());
  expect(stages.filter(({ isOk }) => !isOk)).toEqual([]);
  const sink = await sinkDrivers.sqs.open(config, env);
  expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
  await sink.close();
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
  );
  const arrived = Messages.flatMap(({ Body = "" }) =>
    JSON.parse(Buffer.from(Body, "base64").toString()),
  );
  expect(arrived.sort((a, b) => a.id - b.id)).toEqual(records);
});

test.each([KinesisSink_Order.STRICT, KinesisSink_Order.THROUGHPUT])(
  "moto: records arrive in a data stream (order %s)",
  async (order) => {
    const client = new KinesisClient({ ...clientOptions, requestHandler: new NodeHttpHandler() });
    const StreamName = `stream-${order}`;
    await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    const config = create(KinesisSinkSchema, { streamName: StreamName, order, access });
    const stages = await sinkDrivers.kinesis.test(config, env, options());
    expect(stages.filter(({ isOk }) => !isOk)).toEqual([]);
    const sink = await sinkDrivers.kinesis.open(config, env);
    expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
    await sink.close();
    const { ShardIterator } = await client.send(
      new GetShardIteratorCommand({
        StreamName,
        ShardId: "shardId-000000000000",
        ShardIteratorType: "TRIM_HORIZON",
      }),
    );
    const { Records = [] } = await client.send(new GetRecordsCommand({ ShardIterator }));
    expect(Records.map(({ Data }) => JSON.parse(Buffer.from(Data!).toString()))).toEqual(records);
  },
);

test("moto: objects arrive in a bucket", async () => {
  const client = new S3Client(clientOptions);
  const Bucket = "lake";
  await client.send(
    new CreateBucketCommand({
      Bucket,
      CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
    }),
  );
  const config = create(S3SinkSchema, { bucket: Bucket, access });
  const stages = await sinkDrivers.s3.test(config, env, options());
  expect(stages.filter(({ isOk }) => !isOk)).toEqual([]);
  const sink = await sinkDrivers.s3.open(config, env);
  expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
  await sink.close();
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  const Key = Contents.find((object) => object.Key?.endsWith(".ndjson"))?.Key;
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  const text = (await Body?.transformToString()) ?? "";
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(records);
});

test("moto: records of a Firehose stream arrive as lines in its bucket", async () => {
  const bucket = "firehose";
  const s3 = new S3Client(clientOptions);
  const location = { LocationConstraint: "eu-central-1" } as const;
  await s3.send(new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: location }));
  const client = new FirehoseClient({ ...clientOptions, requestHandler: new NodeHttpHandler() });
  await client.send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: "clicks",
      DeliveryStreamType: "DirectPut",
      S3DestinationConfiguration: {
        BucketARN: `arn:aws:s3:::${bucket}`,
        RoleARN: "arn:aws:iam::123456789012:role/firehose",
      },
    }),
  );
  const config = create(FirehoseSinkSchema, { streamName: "clicks", access });
  const sink = await sinkDrivers.firehose.open(config, env);
  expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
  await sink.close();
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: Contents[0]?.Key }));
  const lines = ((await Body?.transformToString()) ?? "").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(records);
});
