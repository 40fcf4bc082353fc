/** The data stream, reached by the client of AWS, which loads when a stream is first opened. */
import type { PutRecordsResultEntry } from "@aws-sdk/client-kinesis";
import type { KinesisSink } from "#gen/tributary/management/v1/sink_pb.js";
import { openConnection } from "../aws/connection.ts";
import { toAwsFault } from "../aws/fault.ts";
import type { OutgoingRecord, RecordFault } from "../aws/put-many.ts";
import type { SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { listShards } from "./list-shards.ts";
import type { ShardRange } from "./shard-map.ts";

/** What a data stream says of itself. */
export interface StreamFacts {
  readonly status: string;
  readonly shards: number;
}

/** Where a record is. */
export interface StoredRecord {
  readonly number: string;
  readonly shardId: string;
}

/** What came of one record of many: its fault, or the shard that it is in. */
export interface PutAnswer {
  readonly fault: RecordFault;
  readonly shardId: string | undefined;
}

/** An open data stream. Every method throws SinkFault. */
export interface StreamClient {
  facts(signal: AbortSignal): Promise<StreamFacts>;
  /** The open shards. */
  shards(signal: AbortSignal): Promise<readonly ShardRange[]>;
  /** Puts one record behind another of its key. */
  put(
    record: OutgoingRecord,
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<StoredRecord>;
  /** Whether an error of `put` says that the number of the record before is none of this shard. */
  isNumberRefused(error: unknown): boolean;
  /** Puts up to 500 records; says what came of each. */
  putAll(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<readonly PutAnswer[]>;
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
    shards: (signal) => calling("listing the shards", () => listShards(client, StreamName, signal)),
    put: (record, after, abortSignal) =>
      calling("putting a record", async () => {
        const order = after && { SequenceNumberForOrdering: after };
        const command = new PutRecordCommand({ StreamName, ...toInput(record), ...order });
        const { SequenceNumber: number, ShardId } = await client.send(command, { abortSignal });
        if (!number) throw new SinkFault("AWS_ERROR", "the record was not confirmed");
        return { number, shardId: ShardId ?? "" };
      }),
    isNumberRefused: (error) =>
      error instanceof SinkFault && /InvalidArgument/.test((error.cause as Error)?.name),
    putAll: (records, abortSignal) =>
      calling("putting records", async () => {
        const command = new PutRecordsCommand({ StreamName, Records: records.map(toInput) });
        const { Records: answers = [] } = await client.send(command, { abortSignal });
        return records.map((_, i) => toAnswer(answers[i]));
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

function toAnswer(answer: PutRecordsResultEntry | undefined): PutAnswer {
  if (answer?.SequenceNumber && !answer.ErrorCode) {
    return { fault: undefined, shardId: answer.ShardId };
  }
  const code = answer?.ErrorCode ?? "NotConfirmed";
  const message = answer?.ErrorMessage ?? "the service did not say what came of the record";
  return { fault: { code, message }, shardId: undefined };
}

/** The least policy that this sink needs for its stream, as JSON to copy. */
export function streamPolicy({ streamName, access }: KinesisSink): string {
  const region = access?.region || "*";
  const partition = region.startsWith("cn-") ? "aws-cn" : "aws";
  const statement = {
    Effect: "Allow",
    Action: [
      "kinesis:PutRecord",
      "kinesis:PutRecords",
      "kinesis:DescribeStreamSummary",
      "kinesis:ListShards",
    ],
    Resource: `arn:${partition}:kinesis:${region}:*:stream/${streamName}`,
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
