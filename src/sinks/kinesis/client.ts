/** The data stream, reached by the client of AWS, which loads when a stream is first opened. */
import type { KinesisSink } from "#gen/tributary/management/v1/sink_pb.js";
import { openConnection } from "../aws/connection.ts";
import { toAwsFault } from "../aws/fault.ts";
import type { OutgoingRecord, RecordFault } from "../aws/put-many.ts";
import type { SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";

/** What a data stream says of itself. */
export interface StreamFacts {
  readonly status: string;
  readonly shards: number;
}

/** An open data stream. Every method throws SinkFault. */
export interface StreamClient {
  facts(signal: AbortSignal): Promise<StreamFacts>;
  /** Puts one record behind another of its key; gives its sequence number. */
  put(record: OutgoingRecord, after: string | undefined, signal: AbortSignal): Promise<string>;
  /** Puts up to 500 records; says what came of each. */
  putAll(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<readonly RecordFault[]>;
  /** Rejects when records may not be put; stores nothing. */
  checkRights(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** One more than the greatest hash key: a record for it is refused, once the right to put it was checked. */
const HASH_KEY_BEYOND = (2n ** 128n).toString();

/** Opens the stream; nothing is sent yet. */
export async function openStream(config: KinesisSink, env: SinkEnvironment): Promise<StreamClient> {
  const { options, close } = await openConnection(config.access!, env);
  const { DescribeStreamSummaryCommand, KinesisClient, PutRecordCommand, PutRecordsCommand } =
    await import("@aws-sdk/client-kinesis");
  const client = new KinesisClient(options);
  const { streamName: StreamName } = config;
  const calling = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw toAwsFault(error, { what, remedy: streamPolicy(config) });
    }
  };
  const toInput = ({ data, partitionKey }: OutgoingRecord) => ({
    Data: data,
    PartitionKey: partitionKey,
  });
  return {
    facts: (abortSignal) =>
      calling("describing the data stream", async () => {
        const command = new DescribeStreamSummaryCommand({ StreamName });
        const { StreamDescriptionSummary: found } = await client.send(command, { abortSignal });
        return { status: found?.StreamStatus ?? "unknown", shards: found?.OpenShardCount ?? 0 };
      }),
    put: (record, after, abortSignal) =>
      calling("putting a record", async () => {
        const order = after && { SequenceNumberForOrdering: after };
        const command = new PutRecordCommand({ StreamName, ...toInput(record), ...order });
        const { SequenceNumber } = await client.send(command, { abortSignal });
        if (!SequenceNumber) throw new SinkFault("AWS_ERROR", "the record was not confirmed");
        return SequenceNumber;
      }),
    putAll: (records, abortSignal) =>
      calling("putting records", async () => {
        const command = new PutRecordsCommand({ StreamName, Records: records.map(toInput) });
        const { Records: answers = [] } = await client.send(command, { abortSignal });
        return records.map((_, i): RecordFault => {
          const answer = answers[i];
          if (answer?.SequenceNumber && !answer.ErrorCode) return undefined;
          return {
            code: answer?.ErrorCode ?? "NotConfirmed",
            message: answer?.ErrorMessage ?? "the service did not say what came of the record",
          };
        });
      }),
    checkRights: (abortSignal) =>
      calling("putting a record", async () => {
        const record = toInput({ data: Buffer.from("{}"), partitionKey: "tributary-test" });
        const command = new PutRecordCommand({
          StreamName,
          ...record,
          ExplicitHashKey: HASH_KEY_BEYOND,
        });
        await client.send(command, { abortSignal }).catch((error: Error) => {
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
export function streamPolicy({ streamName, access }: KinesisSink): string {
  const region = access?.region || "*";
  const partition = region.startsWith("cn-") ? "aws-cn" : "aws";
  const statement = {
    Effect: "Allow",
    Action: ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:DescribeStreamSummary"],
    Resource: `arn:${partition}:kinesis:${region}:*:stream/${streamName}`,
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
