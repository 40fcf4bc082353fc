/** The Firehose stream, reached by the client of AWS, which loads when a stream is first opened. */
import type { FirehoseSink } from "#gen/tributary/management/v1/sink_pb.js";
import { openConnection } from "../aws/connection.ts";
import { toAwsFault } from "../aws/fault.ts";
import type { OutgoingRecord, RecordFault } from "../aws/put-many.ts";
import type { SinkEnvironment } from "../sink.ts";

/** Bytes of one record, before Base64. */
export const RECORD_BYTES_MAX = 1_024_000;

/** What a Firehose stream says of itself. */
export interface DeliveryFacts {
  readonly status: string;
  /** Where its records come from: `DirectPut` for streams that take ours. */
  readonly source: string;
}

/** An open Firehose stream. Every method throws SinkFault. */
export interface DeliveryClient {
  facts(signal: AbortSignal): Promise<DeliveryFacts>;
  /** Puts up to 500 records; says what came of each. */
  putAll(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<readonly RecordFault[]>;
  /** Rejects when records may not be put; stores nothing. */
  checkRights(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Opens the stream; nothing is sent yet. */
export async function openDelivery(
  config: FirehoseSink,
  env: SinkEnvironment,
): Promise<DeliveryClient> {
  const { options, close } = await openConnection(config.access!, env);
  const { DescribeDeliveryStreamCommand, FirehoseClient, PutRecordBatchCommand } = await import(
    "@aws-sdk/client-firehose"
  );
  const client = new FirehoseClient(options);
  const { streamName: DeliveryStreamName } = config;
  const calling = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw toAwsFault(error, { what, remedy: deliveryPolicy(config) });
    }
  };
  const put = (data: readonly Uint8Array[], abortSignal: AbortSignal) => {
    const Records = data.map((Data) => ({ Data }));
    return client.send(new PutRecordBatchCommand({ DeliveryStreamName, Records }), { abortSignal });
  };
  return {
    facts: (abortSignal) =>
      calling("describing the Firehose stream", async () => {
        const command = new DescribeDeliveryStreamCommand({ DeliveryStreamName, Limit: 1 });
        const { DeliveryStreamDescription: found } = await client.send(command, { abortSignal });
        return {
          status: found?.DeliveryStreamStatus ?? "unknown",
          source: found?.DeliveryStreamType ?? "DirectPut",
        };
      }),
    putAll: (records, signal) =>
      calling("putting records", async () => {
        const { RequestResponses: answers = [] } = await put(
          records.map(({ data }) => data),
          signal,
        );
        return records.map((_, i): RecordFault => {
          const answer = answers[i];
          if (answer?.RecordId && !answer.ErrorCode) return undefined;
          return {
            code: answer?.ErrorCode ?? "NotConfirmed",
            message: answer?.ErrorMessage ?? "the service did not say what came of the record",
          };
        });
      }),
    checkRights: (signal) =>
      calling("putting records", async () => {
        // A record above the limit is refused, once the right to put it was checked.
        await put([Buffer.alloc(RECORD_BYTES_MAX + 1, " ")], signal).catch((error: Error) => {
          if (!/InvalidArgument|Validation/.test(error.name)) throw error;
        });
      }),
    close() {
      client.destroy();
      close();
    },
  };
}

/** The least policy that this sink needs for its stream, as JSON to copy. */
export function deliveryPolicy({ streamName, access }: FirehoseSink): string {
  const region = access?.region || "*";
  const partition = region.startsWith("cn-") ? "aws-cn" : "aws";
  const statement = {
    Effect: "Allow",
    Action: ["firehose:PutRecordBatch", "firehose:DescribeDeliveryStream"],
    Resource: `arn:${partition}:firehose:${region}:*:deliverystream/${streamName}`,
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
