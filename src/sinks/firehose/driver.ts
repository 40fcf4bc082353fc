import { clone } from "@bufbuild/protobuf";
import { type FirehoseSink, FirehoseSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { checkAccess, keepAccess, maskAccess } from "../aws/access.ts";
import { tryResource } from "../aws/try-resource.ts";
import type { SinkDriver, SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { type DeliveryClient, deliveryPolicy, openDelivery } from "./client.ts";
import { openFirehose } from "./open-sink.ts";

/** Records in a Firehose stream; at least once. */
export const firehoseDriver: SinkDriver<"firehose"> = {
  defaults: { count: 500, bytes: 4 * 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  concurrency: 4,
  check,
  open: openFirehose,
  test: testFirehose,
  mask(config) {
    const access = maskAccess(config.access);
    return Object.assign(clone(FirehoseSinkSchema, config), access && { access });
  },
  keepSecrets(config, saved) {
    const access = keepAccess(config.access, saved.access);
    return Object.assign(clone(FirehoseSinkSchema, config), access && { access });
  },
};

function check({ streamName, access }: FirehoseSink): FieldViolation[] {
  const violations = checkAccess(access);
  if (!/^[\w.-]{1,64}$/.test(streamName)) {
    const description = "must be 1 to 64 letters, digits, '.', '_' or '-'";
    violations.unshift({ field: "stream_name", description });
  }
  return violations;
}

/** Tries a Firehose stream: what it says of itself, and the right to put records. Stores nothing. */
function testFirehose(
  config: FirehoseSink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  return tryResource({
    noun: "Firehose stream",
    policy: deliveryPolicy(config),
    open: () => openDelivery(config, env),
    describe: (client) => describe(client, signal),
    write: async (client) => {
      await client.checkRights(signal);
      return "records may be put; none was";
    },
  });
}

async function describe(client: DeliveryClient, signal: AbortSignal): Promise<string> {
  const { status, source } = await client.facts(signal);
  if (status !== "ACTIVE") {
    throw new SinkFault("DESTINATION_MISSING", `the Firehose stream is ${status}, not ACTIVE`);
  }
  if (source === "DirectPut") return "the Firehose stream is ACTIVE and takes direct puts";
  throw new SinkFault(
    "DESTINATION_MISSING",
    `the Firehose stream has ${source}: make one whose source is Direct PUT`,
  );
}
