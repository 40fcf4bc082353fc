import { test } from "vitest";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { schemaOf } from "../sinks/sample.ts";
import { hasJava } from "../support/kafka.ts";
import { startKafkaSink } from "./kafka-harness.ts";
import { describeSink } from "./sink-suite.ts";

// With a JDK and Maven it fails, and is not left out, when Kafka cannot be had.
if (await hasJava()) {
  describeSink("kafka", () => startKafkaSink(schemaOf([{ name: "id", type: T.LONG }])));
} else test.skip("sink contract: kafka (this machine has no JDK or no Maven)");
