import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { schemaOf } from "../sinks/sample.ts";
import { startKafkaSink } from "./kafka-harness.ts";
import { describeSink } from "./sink-suite.ts";

describeSink("kafka", () => startKafkaSink(schemaOf([{ name: "id", type: T.LONG }])));
