import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KinesisSink_Order, KinesisSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { kinesisDriver } from "../../../src/sinks/kinesis/driver.ts";
import type { OpenSink, SinkRequest } from "../../../src/sinks/sink.ts";
import { type AwsDouble, DENIED_KEY, startAwsDouble } from "../../support/aws/double.ts";
import { createDataStreams } from "../../support/aws/kinesis.ts";
import { waitFor } from "../../support/wait-for.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const { STRICT, THROUGHPUT } = KinesisSink_Order;
const env = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const streams = createDataStreams(["readings"]);
const stream = streams.stream("readings");
const wideStreams = createDataStreams(["wide"], 64);
const wide = wideStreams.stream("wide");
let double: AwsDouble;
let wideDouble: AwsDouble;
const opened: OpenSink[] = [];

beforeAll(async () => {
  double = await startAwsDouble(streams.actions);
  wideDouble = await startAwsDouble(wideStreams.actions);
});
afterAll(async () => {
  for (const sink of opened) await sink.close();
  await double.close();
  await wideDouble.close();
});
beforeEach(() => {
  stream.records.length = 0;
  stream.calls.length = 0;
  stream.refuse = () => undefined;
  stream.isListed = true;
  wide.records.length = 0;
  wide.calls.length = 0;
  wide.refuse = () => undefined;
});

function configOf(order: KinesisSink_Order, accessKeyId = "AKIATEST") {
  return create(KinesisSinkSchema, {
    streamName: "readings",
    order,
    access: {
      region: "eu-central-1",
      accessKeyId,
      secretAccessKey: "s3cr3t-access-key",
      endpoint: double.url,
    },
  });
}

async function open(order: KinesisSink_Order, config = configOf(order)): Promise<OpenSink> {
  const sink = await kinesisDriver.open(config, env);
  opened.push(sink);
  return sink;
}

/** The data stream of 64 shards. */
function openWide(order: KinesisSink_Order): Promise<OpenSink> {
  const { access, ...config } = configOf(order);
  const there = { ...access!, endpoint: wideDouble.url };
  return open(order, create(KinesisSinkSchema, { ...config, streamName: "wide", access: there }));
}

/** Keys whose shards are all different. */
function keysApart(count: number): number[] {
  const keys = new Map<string, number>();
  for (let key = 0; keys.size < count; key++) keys.set(wide.shardOf(nameOf(key)).id, key);
  return [...keys.values()];
}

const nameOf = (key: number) => `key-${key.toString(16).padStart(8, "0")}`;

function keyed(records: readonly { id: number; key?: number }[], sequence = 1): SinkRequest {
  const rows = rowsOf(records, sequence).map((row, i) => ({ ...row, keyHash: records[i]!.key }));
  return requestOf(rows);
}

const arrived = () => stream.records.map(({ data }) => JSON.parse(data) as { id: number });
const ids = () => arrived().map(({ id }) => id);
const many = (count: number, keys: number) =>
  Array.from({ length: count }, (_, id) => ({ id, key: id % keys }));
const idOf = (data: string) => (JSON.parse(data) as { id: number }).id;

describe("STRICT", () => {
  test("E18: records are put one by one, each behind the one before of its key", async () => {
    const sink = await open(STRICT);
    await sink.write(keyed(many(4, 2)), attempt());
    expect(ids()).toEqual([0, 1, 2, 3]);
    expect(stream.records.map(({ partitionKey }) => partitionKey)).toEqual([
      "key-00000000",
      "key-00000001",
      "key-00000000",
      "key-00000001",
    ]);
    expect(stream.records.map(({ after }) => after)).toEqual([undefined, undefined, "1", "2"]);
  });

  test("one record of a partition is in flight, also between requests", async () => {
    const sink = await open(STRICT);
    const requests = [2, 3, 4].map((n) =>
      keyed(
        many(3, 1).map(({ id }) => ({ id: 10 * n + id })),
        n,
      ),
    );
    await Promise.all(requests.map((request) => sink.write(request, attempt())));
    expect(ids()).toEqual([20, 21, 22, 30, 31, 32, 40, 41, 42]);
  });

  test("E18: shards are put to side by side; a hot one holds up none of the others", async () => {
    const sink = await openWide(STRICT);
    const [hot, ...keys] = keysApart(4) as [number, ...number[]];
    let isHot = true;
    wide.refuse = ({ partitionKey }) =>
      isHot && partitionKey === nameOf(hot) ? "ProvisionedThroughputExceededException" : undefined;
    const records = many(40, 4).map(({ id, key }) => ({ id, key: key ? keys[key - 1]! : hot }));
    const writing = sink.write(keyed(records), attempt());
    await waitFor(() => wide.records.length === 30);
    isHot = false;
    expect(await writing).toMatchObject({ kind: "rows" });
    for (const key of [hot, ...keys]) {
      const own = wide.records.filter(({ partitionKey }) => partitionKey === nameOf(key));
      const expected = records.filter((record) => record.key === key).map(({ id }) => id);
      expect(own.map(({ data }) => idOf(data))).toEqual(expected);
    }
  });

  test("E18: a shard that is split meanwhile: its children take what comes after it, in the order of keys", async () => {
    const sink = await openWide(STRICT);
    const [parent] = wide.shards;
    const keys = Array.from({ length: 2_000 }, (_, key) => key)
      .filter((key) => wide.shardOf(nameOf(key)) === parent)
      .slice(0, 8);
    const records = (from: number) =>
      many(80, 8).map(({ id, key }) => ({ id: from + id, key: keys[key]! }));
    const requests = [0, 80, 160].map((from, n) => keyed(records(from), n + 10));
    const writing = Promise.all(requests.map((request) => sink.write(request, attempt())));
    await waitFor(() => wide.records.length >= 40);
    wide.split(parent!);
    expect((await writing).map(({ kind }) => kind)).toEqual(["rows", "rows", "rows"]);
    expect(wide.records).toHaveLength(240);
    expect(new Set(wide.records.map(({ shardId }) => shardId)).size).toBe(3);
    for (const key of keys) {
      const own = wide.records.filter(({ partitionKey }) => partitionKey === nameOf(key));
      const ordered = own.map(({ data }) => idOf(data));
      expect(ordered).toEqual([...ordered].sort((a, b) => a - b));
    }
  });

  test("a failure stops the request, and its repeat goes on behind what is stored", async () => {
    const sink = await open(STRICT);
    let left = 1;
    stream.refuse = ({ data }) => (idOf(data) === 2 && left-- > 0 ? "InternalFailure" : undefined);
    const request = keyed(many(5, 1));
    expect(await sink.write(request, attempt())).toMatchObject({ kind: "retry", scope: "sink" });
    expect(ids()).toEqual([0, 1]);
    expect(await sink.write(request, attempt())).toMatchObject({ kind: "rows" });
    expect(ids()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("THROUGHPUT", () => {
  test("500 records and 5 MiB are the most of one call; a record above 1 MiB is rejected", async () => {
    const sink = await openWide(THROUGHPUT);
    const keys = keysApart(8);
    await sink.write(keyed(many(1200, 8)), attempt());
    expect(wide.calls).toEqual([500, 500, 200]);
    expect(wide.records.map(({ data }) => idOf(data))).toEqual(many(1200, 8).map(({ id }) => id));
    wide.calls.length = 0;
    const large = keys.map((key, id) => ({ id, key, text: "x".repeat(900_000) }));
    const tooLarge = { id: 9, key: 1, text: "x".repeat(1024 * 1024) };
    const outcome = await (await openWide(THROUGHPUT)).write(
      keyed([...large, tooLarge], 2),
      attempt(),
    );
    expect(wide.calls).toEqual([5, 3]);
    const outcomes = outcome.kind === "rows" ? outcome.outcomes : [];
    expect(outcomes.filter(({ kind }) => kind === "delivered")).toHaveLength(8);
    expect(outcomes.at(-1)).toMatchObject({ kind: "reject", reason: "TOO_LARGE" });
  });

  test("E18: a shard that takes nothing more stops no other one", async () => {
    const sink = await openWide(THROUGHPUT);
    const [hot, ...keys] = keysApart(8) as [number, ...number[]];
    let isHot = true;
    wide.refuse = ({ partitionKey }) =>
      isHot && partitionKey === nameOf(hot) ? "ProvisionedThroughputExceededException" : undefined;
    const records = many(400, 8).map(({ id, key }) => ({ id, key: key ? keys[key - 1]! : hot }));
    const writing = sink.write(keyed(records), attempt());
    await waitFor(() => wide.records.length === 350);
    isHot = false;
    expect(await writing).toMatchObject({ kind: "rows" });
    const hotOnes = records.filter(({ key }) => key === hot).map(({ id }) => id);
    expect(wide.records.slice(350).map(({ data }) => idOf(data))).toEqual(hotOnes);
  });

  test("from its first failure on a key is put again whole, other keys are not", async () => {
    const sink = await open(THROUGHPUT);
    let left = 1;
    stream.refuse = ({ data }) => (idOf(data) === 2 && left-- > 0 ? "InternalFailure" : undefined);
    const request = keyed(many(8, 2));
    expect(await sink.write(request, attempt())).toMatchObject({
      kind: "retry",
      reason: "AWS_ERROR",
      burnsAttempt: true,
    });
    expect(await sink.write(request, attempt())).toMatchObject({ kind: "rows" });
    expect(ids()).toEqual([0, 1, 3, 4, 5, 6, 7, 2, 4, 6]);
  });

  test("throttled records are put again soon; a stream that stays slow burns no attempt", async () => {
    const sink = await open(THROUGHPUT);
    let left = 3;
    stream.refuse = () => (left-- > 0 ? "ProvisionedThroughputExceededException" : undefined);
    expect(await sink.write(keyed(many(6, 6)), attempt())).toMatchObject({ kind: "rows" });
    expect(new Set(ids())).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    stream.refuse = () => "ProvisionedThroughputExceededException";
    for (const order of [THROUGHPUT, STRICT]) {
      const slow = await open(order);
      expect(await slow.write(keyed(many(2, 1), 5), attempt())).toMatchObject({
        kind: "retry",
        scope: "sink",
        reason: "THROTTLED",
        burnsAttempt: false,
      });
    }
  });
});

test("a stream whose shards may not be listed is used nevertheless, and its test warns", async () => {
  stream.isListed = false;
  const sink = await open(THROUGHPUT);
  expect(await sink.write(keyed(many(20, 3)), attempt())).toMatchObject({ kind: "rows" });
  const options = { prepare: false, signal: attempt() };
  const stages = await kinesisDriver.test(configOf(STRICT), env, options);
  expect(stages.every(({ isOk }) => isOk)).toBe(true);
  expect(stages.find(({ name }) => name === "describe")).toMatchObject({
    message: expect.stringContaining("warning: listing the shards failed: AccessDenied"),
    remedy: expect.stringContaining("kinesis:ListShards"),
  });
});

test("a test says what is missing, with the least policy, and stores nothing", async () => {
  const config = configOf(STRICT, DENIED_KEY);
  const stages = await kinesisDriver.test(config, env, { prepare: false, signal: attempt() });
  expect(stages.at(-1)).toMatchObject({ name: "write", isOk: false });
  expect(stages.at(-1)?.message).toMatch(/^ACCESS_DENIED/);
  expect(JSON.parse(stages.at(-1)?.remedy ?? "").Statement[0]).toMatchObject({
    Action: [
      "kinesis:PutRecord",
      "kinesis:PutRecords",
      "kinesis:DescribeStreamSummary",
      "kinesis:ListShards",
    ],
    Resource: "arn:aws:kinesis:eu-central-1:*:stream/readings",
  });
  const good = await kinesisDriver.test(configOf(STRICT), env, {
    prepare: false,
    signal: attempt(),
  });
  expect(good.every(({ isOk }) => isOk)).toBe(true);
  expect(stream.records).toEqual([]);
});
