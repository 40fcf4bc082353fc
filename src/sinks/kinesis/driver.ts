import { clone } from "@bufbuild/protobuf";
import { type KinesisSink, KinesisSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { checkAccess, keepAccess, maskAccess } from "../aws/access.ts";
import { tryResource } from "../aws/try-resource.ts";
import type { SinkDriver, SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { openStream, type StreamClient, streamPolicy } from "./client.ts";
import { openKinesis } from "./open-sink.ts";

/** Records in a data stream, in the order of their keys; at least once. */
export const kinesisDriver: SinkDriver<"kinesis"> = {
  defaults: { count: 500, bytes: 4 * 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  concurrency: 4,
  check,
  open: openKinesis,
  test: testKinesis,
  mask(config) {
    const access = maskAccess(config.access);
    return Object.assign(clone(KinesisSinkSchema, config), access && { access });
  },
  keepSecrets(config, saved) {
    const access = keepAccess(config.access, saved.access);
    return Object.assign(clone(KinesisSinkSchema, config), access && { access });
  },
};

function check({ streamName, access }: KinesisSink): FieldViolation[] {
  const violations = checkAccess(access);
  if (!/^[\w.-]{1,128}$/.test(streamName)) {
    const description = "must be 1 to 128 letters, digits, '.', '_' or '-'";
    violations.unshift({ field: "stream_name", description });
  }
  return violations;
}

/** Tries a data stream: what it says of itself, and the right to put records. Stores nothing. */
function testKinesis(
  config: KinesisSink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  const policy = streamPolicy(config);
  return tryResource({
    noun: "data stream",
    policy,
    open: () => openStream(config, env),
    describe: (client) => describe(client, policy, signal),
    write: async (client) => {
      await client.checkRights(signal);
      return "records may be put; none was";
    },
  });
}

async function describe(client: StreamClient, policy: string, signal: AbortSignal) {
  const { status, shards } = await client.facts(signal);
  if (status !== "ACTIVE" && status !== "UPDATING") {
    throw new SinkFault("DESTINATION_MISSING", `the data stream is ${status}, not ACTIVE`);
  }
  const message = `the data stream is ${status} and has ${shards} shards`;
  try {
    await client.shards(signal);
    return message;
  } catch (error) {
    if (!(error instanceof SinkFault) || error.reason !== "ACCESS_DENIED") throw error;
    const without = "without them its pace is one for all shards, and found by refusals alone";
    return { message: `${message}; warning: ${error.message}; ${without}`, remedy: policy };
  }
}
