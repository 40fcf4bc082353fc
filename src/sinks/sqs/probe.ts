import { randomUUID } from "node:crypto";
import { type SqsSink, SqsSink_Encoding } from "#gen/tributary/management/v1/sink_pb.js";
import { describeAws, isDenied } from "../aws/fault.ts";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { MESSAGE_BYTES_UNKNOWN, openQueue, type QueueClient } from "./client.ts";
import { bodyOf } from "./messages.ts";
import { isFifo, queuePolicy } from "./queue.ts";

/** Tries a queue: what it says of itself, and a marked message with an empty list. */
export async function testSqs(
  config: SqsSink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  let client: QueueClient | undefined;
  try {
    return await runStages({
      authenticate: async () => {
        client = await openQueue(config, env);
        return "keys and region are given";
      },
      describe: () => describe(client!, config, signal),
      write: () => writeTest(client!, config, signal),
    });
  } finally {
    client?.close();
  }
}

async function describe(client: QueueClient, config: SqsSink, signal: AbortSignal) {
  try {
    const { messageBytesMax, hasRedrivePolicy } = await client.facts(signal);
    const size = `the queue takes messages of up to ${messageBytesMax} bytes`;
    if (hasRedrivePolicy) return `${size} and has a redrive policy`;
    return (
      `${size}; warning: it has no redrive policy, so a message that its consumer cannot handle ` +
      "comes back until it expires: give the queue a dead-letter queue"
    );
  } catch (error) {
    if (!(error instanceof SinkFault) || error.reason !== "ACCESS_DENIED") throw error;
    const message =
      `warning: ${error.message}; without sqs:GetQueueAttributes messages are filled to ` +
      `${MESSAGE_BYTES_UNKNOWN} bytes, and whether there is a redrive policy is not known`;
    return { message, remedy: queuePolicy(config) };
  }
}

async function writeTest(client: QueueClient, config: SqsSink, signal: AbortSignal) {
  const start = performance.now();
  const body = bodyOf([], { isBase64: config.encoding !== SqsSink_Encoding.JSON });
  const group = isFifo(config) ? "tributary-test" : undefined;
  const message = { id: randomUUID(), body, group, isTest: true };
  const [fault] = await client.send([message], signal);
  if (fault) {
    const why = describeAws(fault.code, fault.message);
    throw isDenied(fault.code)
      ? new SinkFault("ACCESS_DENIED", why, { remedy: queuePolicy(config) })
      : new SinkFault("REFUSED", `the queue refused the test message: ${why}`);
  }
  const tookMs = Math.round(performance.now() - start);
  return `the queue took a message marked tributary-test, an empty list, in ${tookMs} ms`;
}
