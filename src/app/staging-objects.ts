/** The bucket for staged rows as the variables name it. */
import { create } from "@bufbuild/protobuf";
import { AwsAccessSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { Config } from "../config.ts";
import { makeUid } from "../core/uid.ts";
import type { StagingObjects } from "../delivery/staging-objects.ts";
import { openBucket } from "../sinks/s3/client.ts";
import type { SinkEnvironment } from "../sinks/sink.ts";
import { SinkFault } from "../sinks/sink-fault.ts";

const TIMEOUT_MS = 30_000;

/** What a client of the bucket is opened with. */
export interface BucketInput {
  readonly config: Config;
  readonly environment: Omit<
    SinkEnvironment,
    "logUid" | "sinkUid" | "sinkName" | "logName" | "schema"
  >;
}

/** Opens it; undefined where rows are staged in JetStream. Nothing is sent yet. */
export async function openStagingObjects({
  config,
  environment,
}: BucketInput): Promise<(StagingObjects & { close(): void }) | undefined> {
  const bucket = config.TRIBUTARY_STAGING_BUCKET;
  if (bucket === undefined) return undefined;
  const access = create(AwsAccessSchema, {
    region: config.TRIBUTARY_STAGING_REGION ?? "us-east-1",
    accessKeyId: config.TRIBUTARY_STAGING_ACCESS_KEY_ID ?? "",
    secretAccessKey: config.TRIBUTARY_STAGING_SECRET_ACCESS_KEY ?? "",
    endpoint: config.TRIBUTARY_STAGING_ENDPOINT ?? "",
  });
  const client = await openBucket(
    { bucket, access },
    {
      ...environment,
      logUid: "staging",
      sinkUid: "staging",
      sinkName: "staging",
      logName: "staging",
      schema: create(SchemaSchema),
    },
  );
  const prefix = config.TRIBUTARY_STAGING_PREFIX ?? "staging/";
  const signal = () => AbortSignal.timeout(TIMEOUT_MS);
  return {
    put: (name, body) =>
      client.put({ name: prefix + name, body, contentType: "text/csv; header=absent" }, signal()),
    get: (name) => client.get(prefix + name, signal()),
    remove: (name) => client.remove(prefix + name, signal()),
    close: () => client.close(),
  };
}

/** Stores, reads and removes an object; throws SinkFault. For sinks that want their rows in the bucket. */
export async function tryStagingObjects(input: BucketInput): Promise<void> {
  const objects = await openStagingObjects(input);
  if (!objects) throw new SinkFault("STAGING_MISSING", "TRIBUTARY_STAGING_BUCKET is not set");
  try {
    const name = `test/${makeUid()}.csv`;
    const body = Buffer.from("tributary-test\n");
    await objects.put(name, body);
    const found = await objects.get(name);
    await objects.remove(name);
    if (!found?.equals(body))
      throw new SinkFault("STAGING_LOST", "an object changed in the bucket");
  } finally {
    objects.close();
  }
}
