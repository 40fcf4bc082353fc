/** Firehose streams with the published limits of Firehose. */
import { type Action, AwsRefusal } from "./double.ts";

/** A Firehose stream. */
export interface TestDelivery {
  /** Data of the records, in order. */
  readonly records: string[];
  /** Records of each call. */
  readonly calls: number[];
  status: string;
  /** Set to fail records: gives the code of a failure. */
  refuse: (data: string) => string | undefined;
}

interface Input {
  readonly DeliveryStreamName: string;
  readonly Records: { readonly Data: string }[];
}

const RECORD_BYTES_MAX = 1_024_000;

/** Firehose streams by name; their actions for `startAwsDouble`. */
export function createDeliveries(names: readonly string[]) {
  const deliveries = new Map<string, TestDelivery>(
    names.map((name) => [
      name,
      { records: [], calls: [], status: "ACTIVE", refuse: () => undefined },
    ]),
  );
  const find = ({ DeliveryStreamName: name }: Input): TestDelivery => {
    const delivery = deliveries.get(name);
    if (!delivery) throw new AwsRefusal("ResourceNotFoundException", `no Firehose ${name}`);
    return delivery;
  };
  const actions: Record<string, Action> = {
    "Firehose_20150804.DescribeDeliveryStream": (input: Input) => ({
      DeliveryStreamDescription: {
        DeliveryStreamStatus: find(input).status,
        DeliveryStreamType: "DirectPut",
      },
    }),
    "Firehose_20150804.PutRecordBatch": (input: Input) => putBatch(find(input), input),
  };
  return { delivery: (name: string) => deliveries.get(name)!, actions };
}

function putBatch(delivery: TestDelivery, { Records }: Input) {
  if (Records.length < 1 || Records.length > 500) {
    throw new AwsRefusal("ValidationException", "not 1 to 500 records");
  }
  const records = Records.map(({ Data }) => Buffer.from(Data, "base64"));
  if (records.some((data) => data.length > RECORD_BYTES_MAX)) {
    throw new AwsRefusal("ValidationException", "a record has more than 1,000 KiB");
  }
  if (records.reduce((sum, data) => sum + data.length, 0) > 4 * 1024 * 1024) {
    throw new AwsRefusal("InvalidArgumentException", "records have more than 4 MiB");
  }
  delivery.calls.push(records.length);
  const answers = records.map((data) => {
    const text = data.toString();
    const code = delivery.refuse(text);
    if (code) return { ErrorCode: code, ErrorMessage: `refused: ${code}` };
    delivery.records.push(text);
    return { RecordId: `${delivery.records.length}` };
  });
  const FailedPutCount = answers.filter((answer) => "ErrorCode" in answer).length;
  return { FailedPutCount, Encrypted: false, RequestResponses: answers };
}
