/** A queue as its address names it. */
import { clone } from "@bufbuild/protobuf";
import {
  type AwsAccess,
  AwsAccessSchema,
  type SqsSink,
} from "#gen/tributary/management/v1/sink_pb.js";

const AMAZON = /^(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(\.cn)?$/;

/** Whether the queue keeps the order of groups. */
export function isFifo({ queueUrl }: SqsSink): boolean {
  return queueUrl.endsWith(".fifo");
}

/** The access with the region that the queue's address names, where it has none of its own. */
export function accessOf({ queueUrl, access }: SqsSink): AwsAccess | undefined {
  if (access?.region !== "" || !URL.canParse(queueUrl)) return access;
  const match = AMAZON.exec(new URL(queueUrl).hostname);
  const region = match?.[1] ?? match?.[2];
  return region ? Object.assign(clone(AwsAccessSchema, access), { region }) : access;
}

/** The least policy that this sink needs for its queue, as JSON to copy. */
export function queuePolicy(config: SqsSink): string {
  const { hostname, pathname } = new URL(config.queueUrl);
  const [account = "", name = ""] = pathname.split("/").filter(Boolean).slice(-2);
  const partition = hostname.endsWith(".cn") ? "aws-cn" : "aws";
  const region = accessOf(config)?.region ?? "*";
  const statement = {
    Effect: "Allow",
    Action: ["sqs:SendMessage", "sqs:GetQueueAttributes"],
    Resource: `arn:${partition}:sqs:${region}:${account}:${name}`,
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
