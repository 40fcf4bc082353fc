/** All kinds of sinks. A kind is a case of the oneof in sink.proto, a folder here, and one line below. */
import { fileDriver } from "./file/driver.ts";
import { firehoseDriver } from "./firehose/driver.ts";
import { kafkaDriver } from "./kafka/driver.ts";
import { kinesisDriver } from "./kinesis/driver.ts";
import { natsDriver } from "./nats/driver.ts";
import { postgresDriver } from "./postgres/driver.ts";
import { s3Driver } from "./s3/driver.ts";
import type { SinkDriver, SinkKind } from "./sink.ts";
import { sqsDriver } from "./sqs/driver.ts";
import { streamDriver } from "./stream/driver.ts";
import { tributaryDriver } from "./tributary/driver.ts";
import { webhookDriver } from "./webhook/driver.ts";

export * from "./sink.ts";
export { SinkFault } from "./sink-fault.ts";

/** Driver of each kind; the compiler checks that none is missing. */
export const sinkDrivers = {
  postgres: postgresDriver,
  webhook: webhookDriver,
  file: fileDriver,
  sqs: sqsDriver,
  kinesis: kinesisDriver,
  tributary: tributaryDriver,
  firehose: firehoseDriver,
  kafka: kafkaDriver,
  nats: natsDriver,
  s3: s3Driver,
  stream: streamDriver,
} satisfies { [K in SinkKind]: SinkDriver<K> };
