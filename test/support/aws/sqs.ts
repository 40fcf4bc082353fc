/** Queues with the published limits of SQS. */
import { createHash } from "node:crypto";
import { type Action, AwsRefusal } from "./double.ts";

/** A message that arrived. */
export interface QueuedMessage {
  readonly body: string;
  readonly group: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
  readonly MessageAttributes?: Record<string, { DataType: string; StringValue: string }>;
}

/** A queue. */
export interface TestQueue {
  readonly isFifo: boolean;
  /** Limit of a message; undefined: the attribute is not told, and 256 KiB hold. */
  messageBytesMax: number | undefined;
  redrivePolicy: string | undefined;
  readonly messages: QueuedMessage[];
  /** Sizes of all batches, in messages. */
  readonly batches: number[];
  /** Set to fail entries: gives code and whose fault it is. */
  refuse: (message: QueuedMessage) => { code: string; isSenderFault: boolean } | undefined;
  /** Repeats that were dropped. */
  duplicates: number;
}

const LIMIT = 256 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the characters that SQS takes.
const ALLOWED = /^[\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/** Queues by name; their actions for `startAwsDouble`. */
export function createQueues(names: readonly string[]) {
  const queues = new Map(names.map((name) => [name, newQueue(name)]));
  const find = (url: string): TestQueue => {
    const queue = queues.get(url.split("/").at(-1)!);
    if (!queue) throw new AwsRefusal("com.amazonaws.sqs#QueueDoesNotExist", "no such queue");
    return queue;
  };
  const actions: Record<string, Action> = {
    "AmazonSQS.GetQueueAttributes": ({ QueueUrl }: { QueueUrl: string }) => {
      const { messageBytesMax, redrivePolicy } = find(QueueUrl);
      return {
        Attributes: {
          QueueArn: "arn:aws:sqs:eu-central-1:123456789012:q",
          ...(messageBytesMax && { MaximumMessageSize: `${messageBytesMax}` }),
          ...(redrivePolicy && { RedrivePolicy: redrivePolicy }),
        },
      };
    },
    "AmazonSQS.SendMessageBatch": (input: { QueueUrl: string; Entries: Entry[] }) =>
      sendBatch(find(input.QueueUrl), input.Entries),
  };
  return { queue: (name: string) => queues.get(name)!, actions };
}

function newQueue(name: string): TestQueue {
  return {
    isFifo: name.endsWith(".fifo"),
    messageBytesMax: LIMIT,
    redrivePolicy: "{}",
    messages: [],
    batches: [],
    refuse: () => undefined,
    duplicates: 0,
  };
}

function sendBatch(queue: TestQueue, entries: readonly Entry[]) {
  const limit = queue.messageBytesMax ?? LIMIT;
  if (entries.length === 0) throw new AwsRefusal("com.amazonaws.sqs#EmptyBatchRequest", "empty");
  if (entries.length > 10) {
    throw new AwsRefusal("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "more than 10");
  }
  if (new Set(entries.map((entry) => entry.Id)).size < entries.length) {
    throw new AwsRefusal("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "ids repeat");
  }
  const sizes = entries.map(sizeOf);
  if (sizes.some((size) => size > limit)) {
    throw new AwsRefusal("com.amazonaws.sqs#InvalidParameterValue", `more than ${limit} bytes`);
  }
  if (sizes.reduce((sum, size) => sum + size, 0) > Math.max(limit, LIMIT)) {
    throw new AwsRefusal("com.amazonaws.sqs#BatchRequestTooLong", "the batch is too long");
  }
  queue.batches.push(entries.length);
  const answer = { Successful: [] as object[], Failed: [] as object[] };
  for (const entry of entries) {
    const message = messageOf(entry);
    const fault = faultOf(queue, message);
    if (fault) {
      const { code: Code, isSenderFault: SenderFault } = fault;
      answer.Failed.push({ Id: entry.Id, Code, SenderFault, Message: `refused: ${Code}` });
      continue;
    }
    const isRepeated =
      queue.isFifo && queue.messages.some((m) => m.deduplicationId === message.deduplicationId);
    if (isRepeated) queue.duplicates += 1;
    else queue.messages.push(message);
    const MD5OfMessageBody = createHash("md5").update(entry.MessageBody).digest("hex");
    answer.Successful.push({ Id: entry.Id, MessageId: entry.Id, MD5OfMessageBody });
  }
  return answer;
}

function faultOf(queue: TestQueue, message: QueuedMessage) {
  if (queue.isFifo && !/^[\w!-/:-@[-`{-~]{1,128}$/.test(message.group ?? "")) {
    return { code: "MissingParameter", isSenderFault: true };
  }
  if (queue.isFifo && !/^[\w!-/:-@[-`{-~]{1,128}$/.test(message.deduplicationId ?? "")) {
    return { code: "InvalidParameterValue", isSenderFault: true };
  }
  if (!ALLOWED.test(message.body)) return { code: "InvalidMessageContents", isSenderFault: true };
  return queue.refuse(message);
}

function messageOf(entry: Entry): QueuedMessage {
  const attributes = Object.entries(entry.MessageAttributes ?? {});
  return {
    body: entry.MessageBody,
    group: entry.MessageGroupId,
    deduplicationId: entry.MessageDeduplicationId,
    attributes: Object.fromEntries(attributes.map(([name, value]) => [name, value.StringValue])),
  };
}

/** Body and attributes count: name, type and value. */
function sizeOf(entry: Entry): number {
  const attributes = Object.entries(entry.MessageAttributes ?? {});
  return attributes.reduce(
    (sum, [name, { DataType, StringValue }]) =>
      sum + Buffer.byteLength(name + DataType + StringValue),
    Buffer.byteLength(entry.MessageBody),
  );
}
