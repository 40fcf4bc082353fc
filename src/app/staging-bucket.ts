/** The bucket for staged rows, where the installation has one. */
import { create } from "@bufbuild/protobuf";
import { AwsAccessSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { StagingObjects } from "../delivery/staging-objects.ts";
import { openBucket } from "../sinks/s3/client.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";

const TIMEOUT_MS = 30_000;

/** Opens it; undefined where rows are staged in JetStream. Nothing is sent yet. */
export async function openStagingBucket(
  foundations: Foundations,
  closers: Closers,
): Promise<StagingObjects | undefined> {
  const { config } = foundations;
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
      ...environmentOf(foundations),
      logUid: "staging",
      sinkUid: "staging",
      sinkName: "staging",
      logName: "staging",
      schema: create(SchemaSchema),
    },
  );
  closers.add("bucket for staged rows", async () => client.close());
  const prefix = config.TRIBUTARY_STAGING_PREFIX ?? "staging/";
  const signal = () => AbortSignal.timeout(TIMEOUT_MS);
  return {
    put: (name, body) =>
      client.put({ name: prefix + name, body, contentType: "text/csv; header=absent" }, signal()),
    get: (name) => client.get(prefix + name, signal()),
    remove: (name) => client.remove(prefix + name, signal()),
  };
}
