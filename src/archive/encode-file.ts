/** Messages of a log as a Parquet file: a row for each record. Runs in a thread. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  RecordBatch_Compression,
  RecordBatchSchema,
} from "#gen/tributary/records/v1/record_batch_pb.js";
import { decodeRecordBatch, RECORD_BATCH_FORMAT, type RecordCall } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";
import { encodeParquetFile } from "../sinks/parquet/encode.ts";
import type { ParquetFile } from "../sinks/parquet/job.ts";
import { type ArchivedMessage, type ArchiveJob, OWN_COLUMNS } from "./file-job.ts";

/** Bytes and rows of a row group, about: what a reader decodes at once, in 5 ms. Messages stay whole. */
const GROUP_BYTES = 256 * 1024;
const GROUP_ROWS = 1_500;

/** Makes the file. */
export function encodeArchiveFile({
  logUid,
  logName,
  fields,
  messages,
}: ArchiveJob): Promise<ParquetFile> {
  const rows = new Rows(logUid);
  const groups: number[] = [];
  let [count, bytes] = [0, 0];
  for (const message of messages) {
    if (count > 0 && (count >= GROUP_ROWS || bytes >= GROUP_BYTES)) {
      groups.push(count);
      [count, bytes] = [0, 0];
    }
    count += rows.add(message);
    bytes += message.data.length;
  }
  if (count > 0) groups.push(count);
  const own = new Set(OWN_COLUMNS.map(({ name }) => name));
  return encodeParquetFile({
    columns: [...OWN_COLUMNS, ...fields.filter(({ name }) => !own.has(name))],
    text: Buffer.concat(rows.texts),
    ends: rows.ends,
    given: rows.given,
    groups,
    codec: "ZSTD",
    isLenient: true,
    metadata: { "tributary.log": logName, "tributary.log_uid": logUid, "tributary.format": "1" },
  });
}

/** The records of messages, column by column. */
class Rows {
  readonly texts: Uint8Array[] = [];
  readonly ends: number[] = [];
  readonly given: Record<string, unknown[]>;
  readonly #logUid: string;
  #end = 0;

  constructor(logUid: string) {
    this.#logUid = logUid;
    const columns = OWN_COLUMNS.filter(({ source }) => source === "given");
    this.given = Object.fromEntries(columns.map(({ name }) => [name, []]));
  }

  /** Adds the records of a message; gives their number. */
  add(message: ArchivedMessage): number {
    const { calls, count } = decodeRecordBatch(message.data);
    const shared = envelopeOf(calls);
    for (const call of calls) {
      call.records.forEach((json, i) => {
        const index = call.firstIndex + i;
        this.#push(message, call, i);
        this.given.tributary_message!.push(index === 0 ? shared : null);
        this.texts.push(json);
        this.#end += json.length;
        this.ends.push(this.#end);
      });
    }
    return count;
  }

  #push({ sequence, partition, generation, timeMs }: ArchivedMessage, call: RecordCall, i: number) {
    const { given } = this;
    const index = call.firstIndex + i;
    const arrivalMs = Math.floor(call.arrivalTimeUs / 1000);
    given.tributary_sequence!.push(BigInt(sequence));
    given.tributary_index!.push(BigInt(index));
    given.tributary_partition!.push(BigInt(partition));
    given.tributary_generation!.push(BigInt(generation));
    given.tributary_record_id!.push(recordId(this.#logUid, { sequence, index }, arrivalMs));
    given.tributary_arrival_time!.push(BigInt(call.arrivalTimeUs));
    given.tributary_stored_time!.push(BigInt(Math.round(timeMs * 1000)));
    given.tributary_producer_id!.push(call.producerIds[i] || null);
    given.tributary_schema_version!.push(BigInt(call.schemaVersion));
    given.tributary_source!.push(call.source || null);
  }
}

/** What the records of a message share, and all that is not in their texts. */
function envelopeOf(calls: readonly RecordCall[]): Uint8Array {
  const batch = create(RecordBatchSchema, {
    format: RECORD_BATCH_FORMAT,
    compression: RecordBatch_Compression.NONE,
    calls: calls.map(({ firstIndex: _, records, ...call }) => ({
      ...call,
      arrivalTimeUs: BigInt(call.arrivalTimeUs),
      schemaVersion: BigInt(call.schemaVersion),
      headers: call.headers.map(({ name, value }) => ({ name, value })),
      producerIds: [...call.producerIds],
      keyHashes: [...call.keyHashes],
      count: records.length,
    })),
  });
  return toBinary(RecordBatchSchema, batch);
}
