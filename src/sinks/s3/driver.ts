import { clone } from "@bufbuild/protobuf";
import { type S3Sink, S3SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { checkAccess, keepAccess, maskAccess } from "../aws/access.ts";
import { tryResource } from "../aws/try-resource.ts";
import type { SinkDriver, SinkEnvironment, TestStageResult } from "../sink.ts";
import { bucketNameFault } from "./bucket-name.ts";
import { bucketPolicy, openBucket } from "./client.ts";
import { templateFault } from "./object-name.ts";
import { openS3 } from "./open-sink.ts";

/** Objects in a bucket; at least once, a batch is settled when its manifest is there. */
export const s3Driver: SinkDriver<"s3"> = {
  defaults: { count: 100_000, bytes: 8 * 1024 * 1024, timeMs: 5 * 60_000 },
  countMax: 100_000,
  gathers: true,
  keepsCursor: false,
  concurrency: 1,
  check,
  open: openS3,
  test: testS3,
  mask(config) {
    const access = maskAccess(config.access);
    return Object.assign(clone(S3SinkSchema, config), access && { access });
  },
  keepSecrets(config, saved) {
    const access = keepAccess(config.access, saved.access);
    return Object.assign(clone(S3SinkSchema, config), access && { access });
  },
};

function check(
  { bucket, access, keyTemplate }: S3Sink,
  { schema }: { readonly schema: Schema },
): FieldViolation[] {
  const violations = checkAccess(access);
  const nameFault = bucketNameFault(bucket);
  if (nameFault) violations.unshift({ field: "bucket", description: nameFault });
  const fault = templateFault(keyTemplate, schema);
  if (fault) violations.push({ field: "key_template", description: fault });
  return violations;
}

/** Tries a bucket: whether it is there, and an empty object `tributary-test`. */
function testS3(
  config: S3Sink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  return tryResource({
    noun: "bucket",
    policy: bucketPolicy(config),
    open: () => openBucket(config, env),
    describe: async (client) => {
      await client.head(signal);
      return "the bucket is there";
    },
    write: async (client) => {
      const body = Buffer.alloc(0);
      await client.put({ name: "tributary-test", body, contentType: "text/plain" }, signal);
      return "an empty object tributary-test was put";
    },
  });
}
