/**
 * The AWS sinks against a real account: `TRIBUTARY_LIVE_AWS=1`, else skipped. It makes nothing there: each
 * test needs the name of what exists already, and is skipped without it.
 *
 * AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: who calls, with the rights that a failed test of
 * a sink names. TRIBUTARY_LIVE_AWS_QUEUE (address; FIFO or not), _STREAM, _FIREHOSE, _BUCKET: names.
 * TRIBUTARY_LIVE_AWS_ROLE: a role to assume as well, which trusts the caller for the external id
 * `tributary-loguid00000000000001`. TRIBUTARY_LIVE_AWS_ENDPOINT: of a simulation, to try the suite itself.
 */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  FirehoseSinkSchema,
  KinesisSink_Order,
  KinesisSinkSchema,
  S3SinkSchema,
  SqsSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { type ConfigOf, type SinkKind, sinkDrivers } from "../../src/sinks/index.ts";
import type { SinkDriver } from "../../src/sinks/sink.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "./sample.ts";

const { env } = process;
const live = (name: string) => env[`TRIBUTARY_LIVE_AWS_${name}`] ?? "";
const environmentOfTest = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const access = {
  region: env.AWS_REGION ?? "",
  accessKeyId: env.AWS_ACCESS_KEY_ID ?? "",
  secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "",
  roleArn: live("ROLE"),
  endpoint: live("ENDPOINT"),
};
const records = Array.from({ length: 600 }, (_, id) => ({ id, text: "x".repeat(500) }));
// Objects and messages of a run are its own.
const rows = rowsOf(records, Math.floor(Date.now() / 1000) % 1_000_000).map((row, i) => ({
  ...row,
  keyHash: i % 7,
}));

async function run<K extends SinkKind>(kind: K, config: ConfigOf<K>): Promise<void> {
  const driver = sinkDrivers[kind] as unknown as SinkDriver<K>;
  expect(driver.check(config, environmentOfTest)).toEqual([]);
  const options = { prepare: false, signal: attempt(60_000) };
  const stages = await driver.test(config, environmentOfTest, options);
  expect(stages.filter(({ isOk }) => !isOk)).toEqual([]);
  const sink = await driver.open(config, environmentOfTest);
  try {
    const outcome = await sink.write(requestOf(rows), attempt(60_000));
    const outcomes = outcome.kind === "rows" ? outcome.outcomes : [outcome];
    const staged = outcomes.some(({ kind: came }) => came === "staged");
    const settled = staged ? ((await sink.flush?.("count", attempt(60_000))) ?? []) : [];
    const delivered = outcomes.filter(({ kind: came }) => came === "delivered");
    expect(outcomes.filter(({ kind: came }) => came === "retry")).toEqual([]);
    expect(delivered.length + settled.length).toBe(rows.length);
  } finally {
    await sink.close();
  }
}

const isLive = env.TRIBUTARY_LIVE_AWS === "1";
const told = isLive ? "a real account" : "a real account: skipped, for TRIBUTARY_LIVE_AWS is not 1";
/** What a test is called, with what it lacks. */
const title = (text: string, name: string) =>
  live(name) ? text : `${text}: skipped, for TRIBUTARY_LIVE_AWS_${name} names none`;

describe.skipIf(!isLive)(told, { timeout: 180_000 }, () => {
  test.skipIf(!live("QUEUE"))(title("SQS takes messages", "QUEUE"), () =>
    run("sqs", create(SqsSinkSchema, { queueUrl: live("QUEUE"), access })),
  );
  test.skipIf(!live("STREAM")).each([KinesisSink_Order.STRICT, KinesisSink_Order.THROUGHPUT])(
    title("Kinesis takes records (order %s)", "STREAM"),
    (order) =>
      run("kinesis", create(KinesisSinkSchema, { streamName: live("STREAM"), order, access })),
  );
  test.skipIf(!live("FIREHOSE"))(title("Firehose takes records", "FIREHOSE"), () =>
    run("firehose", create(FirehoseSinkSchema, { streamName: live("FIREHOSE"), access })),
  );
  test.skipIf(!live("BUCKET"))(title("S3 takes objects", "BUCKET"), () =>
    run("s3", create(S3SinkSchema, { bucket: live("BUCKET"), access })),
  );
});
