import { create } from "@bufbuild/protobuf";
import { KafkaSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { environment } from "../sinks/sample.ts";
import { startKafka } from "../support/kafka.ts";
import { readTopic } from "../support/kafka-topic.ts";
import type { SinkHarness } from "./sink-suite.ts";

/** A real Kafka; needs a JDK and Maven. */
export async function startKafkaSink(schema: Schema): Promise<SinkHarness<"kafka">> {
  const kafka = await startKafka();
  const configOf = (changes: object) =>
    create(KafkaSinkSchema, {
      brokers: [kafka.address],
      topic: "contract",
      createTopic: { partitions: 1 },
      ...changes,
    });
  const faulty = (changes: object, field: string) => ({ config: configOf(changes), field });
  return {
    driver: sinkDrivers.kafka,
    config: configOf({}),
    env: environment({ schema }),
    secret: {
      config: configOf({ tls: true, login: { user: "u", password: "p4ssword" } }),
      values: ["p4ssword"],
    },
    faulty: [
      faulty({ brokers: [] }, "brokers"),
      faulty({ brokers: ["h:1", "http://h"] }, "brokers[1]"),
      faulty({ topic: "a b" }, "topic"),
      faulty({ topic: "__consumer_offsets" }, "topic"),
      faulty({ login: { user: "u", password: "" } }, "login.password"),
      faulty({ certificateAuthority: "x" }, "certificate_authority"),
      faulty({ tls: true, certificateAuthority: "x" }, "certificate_authority"),
    ],
    refused: JSON.stringify({ id: 1, text: "x".repeat(1_100_000) }),
    isExactlyOnce: false,
    arrived: async () =>
      (await readTopic(kafka.address, "contract")).map(
        ({ value }) => (JSON.parse(value) as { id: number }).id,
      ),
    async hang() {
      kafka.signalBroker("SIGSTOP");
      return async () => kafka.signalBroker("SIGCONT");
    },
    close: () => kafka.close(),
  };
}
