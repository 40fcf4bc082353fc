import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  FirehoseSink_Delimiter,
  FirehoseSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { firehoseDriver } from "../../../src/sinks/firehose/driver.ts";
import type { OpenSink, SinkRequest } from "../../../src/sinks/sink.ts";
import { DENIED_KEY, startAwsDouble } from "../../support/aws/double.ts";
import { createDeliveries } from "../../support/aws/firehose.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const env = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const deliveries = createDeliveries(["readings"]);
const delivery = deliveries.delivery("readings");
let double: Awaited<ReturnType<typeof startAwsDouble>>;
const opened: OpenSink[] = [];

beforeAll(async () => {
  double = await startAwsDouble(deliveries.actions);
});
afterAll(async () => {
  for (const sink of opened) await sink.close();
  await double.close();
});
beforeEach(() => {
  delivery.records.length = 0;
  delivery.calls.length = 0;
  delivery.status = "ACTIVE";
  delivery.refuse = () => undefined;
});

function configOf(changes: object = {}) {
  return create(FirehoseSinkSchema, {
    streamName: "readings",
    access: {
      region: "eu-central-1",
      accessKeyId: "AKIATEST",
      secretAccessKey: "s3cr3t-access-key",
      endpoint: double.url,
      ...changes,
    },
  });
}

async function open(delimiter = FirehoseSink_Delimiter.NEWLINE): Promise<OpenSink> {
  const sink = await firehoseDriver.open(Object.assign(configOf(), { delimiter }), env);
  opened.push(sink);
  return sink;
}

function keyed(records: readonly { id: number; key?: number }[], sequence = 1): SinkRequest {
  const rows = rowsOf(records, sequence).map((row, i) => ({ ...row, keyHash: records[i]!.key }));
  return requestOf(rows);
}

const ids = () => delivery.records.map((data) => (JSON.parse(data) as { id: number }).id);
const many = (count: number, keys: number) =>
  Array.from({ length: count }, (_, id) => ({ id, key: id % keys }));

test("each record ends with a line feed, or with nothing when the stream adds its own", async () => {
  await (await open()).write(keyed([{ id: 1 }, { id: 2 }]), attempt());
  expect(delivery.records.join("")).toBe('{"id":1}\n{"id":2}\n');
  delivery.records.length = 0;
  const bare = await open(FirehoseSink_Delimiter.NONE);
  await bare.write(keyed([{ id: 1 }, { id: 2 }]), attempt());
  expect(delivery.records.join("")).toBe('{"id":1}{"id":2}');
});

test("500 records and 4 MiB are the most of one call; a record above 1,000 KiB is rejected", async () => {
  const sink = await open();
  await sink.write(keyed(many(1200, 7)), attempt());
  expect(delivery.calls).toEqual([500, 500, 200]);
  expect(ids()).toEqual(many(1200, 7).map(({ id }) => id));
  delivery.calls.length = 0;
  const large = many(6, 3).map((record) => ({ ...record, text: "x".repeat(1_000_000) }));
  const tooLarge = { id: 9, key: 1, text: "x".repeat(1_024_000) };
  const outcome = await sink.write(keyed([...large, tooLarge], 2), attempt());
  expect(delivery.calls).toEqual([4, 2]);
  const outcomes = outcome.kind === "rows" ? outcome.outcomes : [];
  expect(outcomes.filter(({ kind }) => kind === "delivered")).toHaveLength(6);
  expect(outcomes.at(-1)).toMatchObject({ kind: "reject", reason: "TOO_LARGE" });
});

test("a call that failed in part: only keys with a failure are put again, from there on", async () => {
  const sink = await open();
  let left = 1;
  delivery.refuse = (data) =>
    JSON.parse(data).id === 2 && left-- > 0 ? "InternalFailure" : undefined;
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
  const sink = await open();
  let left = 3;
  delivery.refuse = () => (left-- > 0 ? "ServiceUnavailableException" : undefined);
  expect(await sink.write(keyed(many(6, 6)), attempt())).toMatchObject({ kind: "rows" });
  expect(new Set(ids())).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  delivery.refuse = () => "ServiceUnavailableException";
  expect(await sink.write(keyed(many(2, 1), 5), attempt())).toMatchObject({
    kind: "retry",
    reason: "THROTTLED",
    burnsAttempt: false,
  });
});

test("a test says what is missing, with the least policy, and stores nothing", async () => {
  const options = { prepare: false, signal: attempt() };
  const denied = await firehoseDriver.test(configOf({ accessKeyId: DENIED_KEY }), env, options);
  expect(denied.at(-1)).toMatchObject({ name: "write", isOk: false });
  expect(JSON.parse(denied.at(-1)?.remedy ?? "").Statement[0]).toMatchObject({
    Action: ["firehose:PutRecordBatch", "firehose:DescribeDeliveryStream"],
    Resource: "arn:aws:firehose:eu-central-1:*:deliverystream/readings",
  });
  delivery.status = "CREATING";
  const early = await firehoseDriver.test(configOf(), env, options);
  expect(early.at(-1)).toMatchObject({ name: "describe", isOk: false });
  delivery.status = "ACTIVE";
  const good = await firehoseDriver.test(configOf(), env, options);
  expect(good.map(({ isOk }) => isOk)).toEqual([true, true, true]);
  expect(delivery.records).toEqual([]);
});

test("N11: a role is assumed with our external id; one that does not trust us gets the policy to paste", async () => {
  const run = (trusted: string) => {
    const roleArn = `arn:aws:iam::123456789012:role/trusts-${trusted}`;
    return firehoseDriver.test(configOf({ roleArn }), env, { prepare: false, signal: attempt() });
  };
  expect((await run(`tributary-${env.logUid}`)).every(({ isOk }) => isOk)).toBe(true);
  const bad = await run("other");
  expect(bad.at(-1)?.isOk).toBe(false);
  expect(bad.at(-1)?.remedy).toContain("sts:ExternalId");
});
