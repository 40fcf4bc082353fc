import { clone } from "@bufbuild/protobuf";
import { type SqsSink, SqsSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { addressFault, checkAccess, keepAccess, maskAccess } from "../aws/access.ts";
import type { SinkDriver } from "../sink.ts";
import { openSqs } from "./open-sink.ts";
import { testSqs } from "./probe.ts";
import { accessOf } from "./queue.ts";

/** Messages in a queue, each a JSON list of records; at least once, with stable ids. */
export const sqsDriver: SinkDriver<"sqs"> = {
  defaults: { count: 1000, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  concurrency: 4,
  check,
  open: openSqs,
  test: testSqs,
  mask(config) {
    const access = maskAccess(config.access);
    return Object.assign(clone(SqsSinkSchema, config), access && { access });
  },
  keepSecrets(config, saved) {
    const copy = clone(SqsSinkSchema, config);
    const access = originOf(config) === originOf(saved) && keepAccess(config.access, saved.access);
    return access ? Object.assign(copy, { access }) : copy;
  },
};

function check(config: SqsSink): FieldViolation[] {
  const violations = checkAccess(accessOf(config));
  const fault = addressFault(config.queueUrl);
  if (fault) violations.unshift({ field: "queue_url", description: fault });
  else if (new URL(config.queueUrl).pathname.split("/").filter(Boolean).length < 2) {
    const description =
      "is no queue: give the whole address, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
    violations.unshift({ field: "queue_url", description });
  }
  return violations;
}

function originOf({ queueUrl }: SqsSink): string {
  return URL.canParse(queueUrl) ? new URL(queueUrl).origin : queueUrl;
}
