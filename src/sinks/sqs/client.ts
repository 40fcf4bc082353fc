/** The queue, reached by the client of AWS, which loads when a queue is first opened. */
import type { SqsSink } from "#gen/tributary/management/v1/sink_pb.js";
import { openConnection } from "../aws/connection.ts";
import { toAwsFault } from "../aws/fault.ts";
import type { SinkEnvironment } from "../sink.ts";
import { MESSAGE_ID_ATTRIBUTE } from "./messages.ts";
import { accessOf, queuePolicy } from "./queue.ts";

/** Limit of a message where the queue does not say its own, in bytes. */
export const MESSAGE_BYTES_UNKNOWN = 256 * 1024;

/** What a queue says of itself. */
export interface QueueFacts {
  readonly messageBytesMax: number;
  readonly hasRedrivePolicy: boolean;
}

/** A message as it is sent. */
export interface OutgoingMessage {
  /** Of the message, the same at each repeat. */
  readonly id: string;
  readonly body: string;
  readonly group: string | undefined;
  readonly isTest?: boolean;
}

/** What came of one message of a batch. */
export interface EntryFault {
  readonly index: number;
  readonly code: string;
  readonly message: string;
  /** Whether the entry is at fault, rather than the service. */
  readonly isSenderFault: boolean;
}

/** An open queue. Every method throws SinkFault. */
export interface QueueClient {
  facts(signal: AbortSignal): Promise<QueueFacts>;
  /** Sends up to 10 messages; gives those that failed. */
  send(messages: readonly OutgoingMessage[], signal: AbortSignal): Promise<readonly EntryFault[]>;
  close(): void;
}

/** Opens the queue; nothing is sent yet. */
export async function openQueue(config: SqsSink, env: SinkEnvironment): Promise<QueueClient> {
  const { options, close } = await openConnection(accessOf(config)!, env);
  const { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } = await import(
    "@aws-sdk/client-sqs"
  );
  const client = new SQSClient(options);
  const { queueUrl: QueueUrl } = config;
  const remedy = queuePolicy(config);
  return {
    async facts(signal) {
      const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] });
      try {
        const { Attributes: found = {} } = await client.send(command, { abortSignal: signal });
        return {
          messageBytesMax: Number(found.MaximumMessageSize) || MESSAGE_BYTES_UNKNOWN,
          hasRedrivePolicy: Boolean(found.RedrivePolicy),
        };
      } catch (error) {
        throw toAwsFault(error, { what: "reading the queue's attributes", remedy });
      }
    },
    async send(messages, signal) {
      const Entries = messages.map(entryOf);
      try {
        const command = new SendMessageBatchCommand({ QueueUrl, Entries });
        const answer = await client.send(command, { abortSignal: signal });
        const confirmed = new Set(answer.Successful?.map((entry) => entry.Id));
        const failed = new Map(answer.Failed?.map((entry) => [entry.Id, entry]));
        return messages.flatMap((_, index): EntryFault[] => {
          if (confirmed.has(`${index}`)) return [];
          const fault = failed.get(`${index}`);
          return [
            {
              index,
              code: fault?.Code ?? "NotConfirmed",
              message: fault?.Message ?? "the queue did not say what came of the message",
              isSenderFault: fault?.SenderFault ?? false,
            },
          ];
        });
      } catch (error) {
        throw toAwsFault(error, { what: "sending to the queue", remedy });
      }
    },
    close() {
      client.destroy();
      close();
    },
  };
}

function entryOf({ id, body, group, isTest }: OutgoingMessage, index: number) {
  const text = (value: string) => ({ DataType: "String", StringValue: value });
  return {
    Id: `${index}`,
    MessageBody: body,
    MessageAttributes: {
      [MESSAGE_ID_ATTRIBUTE]: text(id),
      ...(isTest && { "tributary-test": text("1") }),
    },
    ...(group !== undefined && { MessageGroupId: group, MessageDeduplicationId: id }),
  };
}
