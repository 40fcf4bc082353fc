/** Data streams with the published limits of Kinesis. */
import { createHash } from "node:crypto";
import { type Action, AwsRefusal } from "./double.ts";
import { createShard, createShards, type TestShard } from "./shard.ts";

/** A record that arrived. */
export interface StreamRecord {
  readonly data: string;
  readonly partitionKey: string;
  readonly after: string | undefined;
  readonly shardId: string;
}

/** A data stream. */
export interface TestDataStream {
  readonly records: StreamRecord[];
  /** Records of each call. */
  readonly calls: number[];
  /** All shards, closed ones too. */
  readonly shards: TestShard[];
  /** Set to fail records: gives the code of a failure. */
  refuse: (record: StreamRecord) => string | undefined;
  /** Whether the shards may be listed. */
  isListed: boolean;
  shardOf(partitionKey: string): TestShard;
  /** Closes a shard and opens two in its place. */
  split(shard: TestShard): void;
}

interface Input {
  readonly StreamName: string;
  readonly Data: string;
  readonly PartitionKey: string;
  readonly ExplicitHashKey?: string;
  readonly SequenceNumberForOrdering?: string;
  readonly NextToken?: string;
  readonly Records: { readonly Data: string; readonly PartitionKey: string }[];
}

const RECORD_BYTES_MAX = 1024 * 1024;
const SHARDS_OF_PAGE = 10;
const TOO_MUCH = "ProvisionedThroughputExceededException";

/** Data streams by name, of so many shards each; their actions for `startAwsDouble`. */
export function createDataStreams(names: readonly string[], shards = 1) {
  const streams = new Map(names.map((name) => [name, createDataStream(shards)]));
  const find = (name: string): TestDataStream => {
    const stream = streams.get(name);
    if (!stream) throw new AwsRefusal("ResourceNotFoundException", `no stream ${name}`);
    return stream;
  };
  const actions: Record<string, Action> = {
    "Kinesis_20131202.DescribeStreamSummary": ({ StreamName }: Input) => {
      const OpenShardCount = find(StreamName).shards.filter(({ isOpen }) => isOpen).length;
      return { StreamDescriptionSummary: { StreamStatus: "ACTIVE", OpenShardCount } };
    },
    "Kinesis_20131202.ListShards": ({ StreamName, NextToken }: Input) => {
      if (StreamName && NextToken) throw new AwsRefusal("InvalidArgumentException", "both names");
      const [name = "", from = "0"] = (NextToken ?? StreamName).split(" ");
      return listShards(find(name), name, Number(from));
    },
    "Kinesis_20131202.PutRecord": (input: Input) => putRecord(find(input.StreamName), input),
    "Kinesis_20131202.PutRecords": (input: Input) => putRecords(find(input.StreamName), input),
  };
  return { stream: (name: string) => streams.get(name)!, actions };
}

function createDataStream(count: number): TestDataStream {
  const shards = createShards(count);
  return {
    records: [],
    calls: [],
    shards,
    refuse: () => undefined,
    isListed: true,
    shardOf(partitionKey) {
      const key = BigInt(`0x${createHash("md5").update(partitionKey).digest("hex")}`);
      return shards.find(({ isOpen, first, last }) => isOpen && first <= key && key <= last)!;
    },
    split(shard) {
      shard.isOpen = false;
      const middle = (shard.first + shard.last) / 2n;
      shards.push(createShard(shards.length, shard.first, middle));
      shards.push(createShard(shards.length, middle + 1n, shard.last));
    },
  };
}

function listShards({ shards, isListed }: TestDataStream, name: string, from: number) {
  if (!isListed) throw new AwsRefusal("AccessDeniedException", "not authorized: ListShards");
  const to = from + SHARDS_OF_PAGE;
  const Shards = shards.slice(from, to).map(({ id, first, last, isOpen }) => ({
    ShardId: id,
    HashKeyRange: { StartingHashKey: `${first}`, EndingHashKey: `${last}` },
    SequenceNumberRange: {
      StartingSequenceNumber: "0",
      ...(!isOpen && { EndingSequenceNumber: "1" }),
    },
  }));
  return { Shards, ...(to < shards.length && { NextToken: `${name} ${to}` }) };
}

function putRecord(stream: TestDataStream, input: Input) {
  if (input.ExplicitHashKey && BigInt(input.ExplicitHashKey) >= 2n ** 128n) {
    throw new AwsRefusal("InvalidArgumentException", "Invalid ExplicitHashKey.");
  }
  const { SequenceNumberForOrdering: after } = input;
  const record = toRecord(stream, input, after);
  stream.calls.push(1);
  if (after && stream.records[Number(after) - 1]?.shardId !== record.shardId) {
    throw new AwsRefusal("InvalidArgumentException", "the number is of another shard");
  }
  const { ErrorCode, ErrorMessage, ...stored } = store(stream, record);
  if (ErrorCode) throw new AwsRefusal(ErrorCode, ErrorMessage);
  return stored;
}

function putRecords(stream: TestDataStream, { Records }: Input) {
  if (Records.length > 500) throw new AwsRefusal("ValidationException", "more than 500 records");
  const records = Records.map((record) => toRecord(stream, record, undefined));
  const bytes = records.reduce((sum, r) => sum + Buffer.byteLength(r.data + r.partitionKey), 0);
  if (bytes > 5 * RECORD_BYTES_MAX) throw new AwsRefusal("InvalidArgumentException", "over 5 MiB");
  stream.calls.push(records.length);
  const answers = records.map((record) => store(stream, record));
  return {
    FailedRecordCount: answers.filter(({ ErrorCode }) => ErrorCode).length,
    Records: answers,
  };
}

function store(stream: TestDataStream, record: StreamRecord) {
  const { data, partitionKey, shardId } = record;
  const bytes = Buffer.byteLength(data + partitionKey);
  const code =
    stream.refuse(record) ?? (stream.shardOf(partitionKey).take(bytes) ? undefined : TOO_MUCH);
  if (code) return { ErrorCode: code, ErrorMessage: `refused: ${code}` };
  stream.records.push(record);
  return { ShardId: shardId, SequenceNumber: `${stream.records.length}` };
}

function toRecord(
  stream: TestDataStream,
  { Data, PartitionKey }: { Data: string; PartitionKey: string },
  after: string | undefined,
): StreamRecord {
  const data = Buffer.from(Data, "base64").toString();
  if (Buffer.byteLength(data + PartitionKey) > RECORD_BYTES_MAX) {
    throw new AwsRefusal("ValidationException", "a record has more than 1 MiB");
  }
  if (PartitionKey.length < 1 || PartitionKey.length > 256) {
    throw new AwsRefusal("ValidationException", "the partition key has not 1 to 256 characters");
  }
  return { data, partitionKey: PartitionKey, after, shardId: stream.shardOf(PartitionKey).id };
}
