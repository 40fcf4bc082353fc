/** What a data stream takes of the limits of its shards, which the double enforces in any second. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KinesisSink_Order, KinesisSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { kinesisDriver } from "../../../src/sinks/kinesis/driver.ts";
import { type AwsDouble, startAwsDouble } from "../../support/aws/double.ts";
import { createDataStreams, type TestDataStream } from "../../support/aws/kinesis.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const { THROUGHPUT } = KinesisSink_Order;
const env = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const streams = createDataStreams(["alone"], 2);
let double: AwsDouble;

beforeAll(async () => {
  double = await startAwsDouble(streams.actions);
});
afterAll(() => double.close());

/** Writes requests of 500 records, four at once, until `until`; gives how long that took in seconds. */
async function writeUntil(name: string, order: KinesisSink_Order, until: () => boolean) {
  const config = create(KinesisSinkSchema, {
    streamName: name,
    order,
    access: {
      region: "eu-central-1",
      accessKeyId: "AKIATEST",
      secretAccessKey: "secret",
      endpoint: double.url,
    },
  });
  const sink = await kinesisDriver.open(config, env);
  const records = Array.from({ length: 500 }, (_, id) => ({ id }));
  let sequence = 0;
  const started = performance.now();
  const write = async (partition: number) => {
    while (!until()) {
      const rows = rowsOf(records, ++sequence).map((row, i) => ({ ...row, keyHash: i % 97 }));
      const outcome = await sink.write(requestOf(rows, { partition }), attempt(60_000));
      expect(outcome.kind).toBe("rows");
    }
  };
  await Promise.all([0, 1, 2, 3].map(write));
  await sink.close();
  return (performance.now() - started) / 1_000;
}

const refusedOf = ({ shards }: TestDataStream) => shards.map(({ refused }) => refused);
const takenOf = ({ shards }: TestDataStream) => shards.map(({ taken }) => taken);

test("E18: two shards of their own are used to 80 % at least, and refuse next to nothing", {
  timeout: 120_000,
}, async () => {
  const stream = streams.stream("alone");
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  const seconds = await writeUntil("alone", THROUGHPUT, () => stream.records.length > 9_000);
  // The first second is free: a shard that rested takes a second's records at once.
  const shares = takenOf(stream).map((taken) => taken / 1_000 / (seconds + 1));
  // A machine that is busy with other work answers late, and what is late cannot be used.
  const busyMs = delays.mean / 1e6;
  delays.disable();
  console.info({ seconds, shares, refused: refusedOf(stream), busyMs });
  expect(Math.max(...shares)).toBeGreaterThan(busyMs < 15 ? 0.8 : 0.2);
  expect(refusedOf(stream).reduce((sum, refused) => sum + refused)).toBeLessThan(20);
});
