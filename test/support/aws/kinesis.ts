/** Data streams with the published limits of Kinesis. */
import { type Action, AwsRefusal } from "./double.ts";

/** A record that arrived. */
export interface StreamRecord {
  readonly data: string;
  readonly partitionKey: string;
  readonly after: string | undefined;
}

/** A data stream of one shard. */
export interface TestDataStream {
  readonly records: StreamRecord[];
  /** Records of each call. */
  readonly calls: number[];
  /** Set to fail records: gives the code of a failure. */
  refuse: (record: StreamRecord) => string | undefined;
}

interface Input {
  readonly StreamName: string;
  readonly Data: string;
  readonly PartitionKey: string;
  readonly ExplicitHashKey?: string;
  readonly SequenceNumberForOrdering?: string;
  readonly Records: { readonly Data: string; readonly PartitionKey: string }[];
}

const RECORD_BYTES_MAX = 1024 * 1024;

/** Data streams by name; their actions for `startAwsDouble`. */
export function createDataStreams(names: readonly string[]) {
  const streams = new Map<string, TestDataStream>(
    names.map((name) => [name, { records: [], calls: [], refuse: () => undefined }]),
  );
  const find = ({ StreamName }: Input): TestDataStream => {
    const stream = streams.get(StreamName);
    if (!stream) throw new AwsRefusal("ResourceNotFoundException", `no stream ${StreamName}`);
    return stream;
  };
  const actions: Record<string, Action> = {
    "Kinesis_20131202.DescribeStreamSummary": (input: Input) => {
      find(input);
      return { StreamDescriptionSummary: { StreamStatus: "ACTIVE", OpenShardCount: 1 } };
    },
    "Kinesis_20131202.PutRecord": (input: Input) => {
      const stream = find(input);
      if (input.ExplicitHashKey && BigInt(input.ExplicitHashKey) >= 2n ** 128n) {
        throw new AwsRefusal("InvalidArgumentException", "Invalid ExplicitHashKey.");
      }
      const record = toRecord(input, input.SequenceNumberForOrdering);
      stream.calls.push(1);
      const code = stream.refuse(record);
      if (code) throw new AwsRefusal(code, `refused: ${code}`);
      stream.records.push(record);
      return { ShardId: "shardId-0", SequenceNumber: `${stream.records.length}` };
    },
    "Kinesis_20131202.PutRecords": (input: Input) => putRecords(find(input), input),
  };
  return { stream: (name: string) => streams.get(name)!, actions };
}

function putRecords(stream: TestDataStream, { Records }: Input) {
  if (Records.length > 500) throw new AwsRefusal("ValidationException", "more than 500 records");
  const records = Records.map((record) => toRecord(record, undefined));
  const bytes = records.reduce((sum, r) => sum + Buffer.byteLength(r.data + r.partitionKey), 0);
  if (bytes > 5 * RECORD_BYTES_MAX) throw new AwsRefusal("InvalidArgumentException", "over 5 MiB");
  stream.calls.push(records.length);
  const answers = records.map((record) => {
    const code = stream.refuse(record);
    if (code) return { ErrorCode: code, ErrorMessage: `refused: ${code}` };
    stream.records.push(record);
    return { ShardId: "shardId-0", SequenceNumber: `${stream.records.length}` };
  });
  const FailedRecordCount = answers.filter((answer) => "ErrorCode" in answer).length;
  return { FailedRecordCount, Records: answers };
}

function toRecord(
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
  return { data, partitionKey: PartitionKey, after };
}
