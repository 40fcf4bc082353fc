import { create } from "@bufbuild/protobuf";
import { FirehoseSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { environment } from "../sinks/sample.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createDeliveries } from "../support/aws/firehose.ts";
import type { SinkHarness } from "./sink-suite.ts";

/** Firehose, as the double of AWS plays it. */
export async function startFirehose(schema: Schema): Promise<SinkHarness<"firehose">> {
  const deliveries = createDeliveries(["contract"]);
  const double = await startAwsDouble(deliveries.actions);
  const access = {
    region: "eu-central-1",
    accessKeyId: "AKIATEST",
    secretAccessKey: "s3cr3t-access-key",
    endpoint: double.url,
  };
  const configOf = (changes: object) =>
    create(FirehoseSinkSchema, { streamName: "contract", access, ...changes });
  return {
    driver: sinkDrivers.firehose,
    config: configOf({}),
    env: environment({ schema }),
    secret: { config: configOf({}), values: ["s3cr3t-access-key"] },
    faulty: [
      { config: configOf({ streamName: "a b" }), field: "stream_name" },
      { config: configOf({ access: { ...access, region: "here" } }), field: "access.region" },
    ],
    refused: JSON.stringify({ id: 1, text: "x".repeat(1_024_000) }),
    isExactlyOnce: false,
    arrived: async () =>
      deliveries
        .delivery("contract")
        .records.map((data) => (JSON.parse(data) as { id: number }).id),
    async hang() {
      double.isHanging = true;
      return async () => {
        double.isHanging = false;
      };
    },
    close: () => double.close(),
  };
}
