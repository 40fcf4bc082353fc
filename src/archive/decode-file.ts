/** Files of archives read back: the messages that were put into them. */
import { zstdDecompressSync } from "node:zlib";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileMetaData, parquetMetadata, parquetReadObjects } from "hyparquet";
import { RecordBatchSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import type { LogMessage } from "../core/log.ts";

/** An open file. */
export interface ArchiveFile {
  /** Its row groups, ascending: whole messages each. */
  readonly groups: readonly ArchiveGroup[];
  /** Bytes that it holds in memory. */
  readonly bytes: number;
  /** Messages of one group, in order. */
  read(group: ArchiveGroup): Promise<LogMessage[]>;
}

/** A row group. */
export interface ArchiveGroup {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

const COLUMNS = ["sequence", "partition", "generation", "stored_time", "record", "message"].map(
  (name) => `tributary_${name}`,
);
const compressors = {
  ZSTD: (input: Uint8Array, length: number) =>
    new Uint8Array(zstdDecompressSync(input, { maxOutputLength: length })),
};
/** Times stay whole microseconds. */
const parsers = { timestampFromMicroseconds: (micros: bigint) => micros as unknown as Date };

interface Row {
  readonly tributary_sequence: bigint;
  readonly tributary_partition: bigint;
  readonly tributary_generation: bigint;
  readonly tributary_stored_time: bigint;
  readonly tributary_record: string;
  readonly tributary_message: Uint8Array | null;
}

/** Opens the bytes of a file. Throws when they are not what was written. */
export function openArchiveFile(bytes: Buffer, logUid: string): ArchiveFile {
  const file = bytes.buffer.slice(
    bytes.byteOffset,
    bytes.byteOffset + bytes.byteLength,
  ) as ArrayBuffer;
  const metadata = parquetMetadata(file);
  const largest = Math.max(...metadata.row_groups.map((group) => Number(group.total_byte_size)));
  let last: { readonly group: ArchiveGroup; readonly messages: LogMessage[] } | undefined;
  return {
    groups: groupsOf(metadata),
    bytes: bytes.byteLength + 2 * largest,
    async read(group) {
      // Pages of a list come back to the group in which the last one ended.
      if (last?.group === group) return last.messages;
      const { firstRow, rows } = group;
      const found = (await parquetReadObjects({
        file,
        metadata,
        columns: COLUMNS,
        compressors,
        parsers,
        utf8: false,
        rowStart: firstRow,
        rowEnd: firstRow + rows,
      })) as unknown as Row[];
      last = { group, messages: messagesOf(found, logUid) };
      return last.messages;
    },
  };
}

function groupsOf(metadata: FileMetaData): ArchiveGroup[] {
  let firstRow = 0;
  return metadata.row_groups.map((group) => {
    const rows = Number(group.num_rows);
    const chunk = group.columns.find((each) => each.meta_data?.path_in_schema[0] === COLUMNS[0]);
    const { min_value, max_value } = chunk?.meta_data?.statistics ?? {};
    if (typeof min_value !== "bigint" || typeof max_value !== "bigint") {
      throw new Error("a file of an archive does not say which sequences it holds");
    }
    const made = {
      firstRow,
      rows,
      firstSequence: Number(min_value),
      lastSequence: Number(max_value),
    };
    firstRow += rows;
    return made;
  });
}

function messagesOf(rows: readonly Row[], logUid: string): LogMessage[] {
  const messages: LogMessage[] = [];
  for (let at = 0; at < rows.length; ) {
    const first = rows[at]!;
    if (!first.tributary_message) throw new Error("a file of an archive is not as it was written");
    const batch = fromBinary(RecordBatchSchema, first.tributary_message);
    for (const call of batch.calls) {
      call.records = rows
        .slice(at, at + call.count)
        .map(({ tributary_record }) => Buffer.from(tributary_record));
      at += call.count;
    }
    messages.push({
      sequence: Number(first.tributary_sequence),
      logUid,
      generation: Number(first.tributary_generation),
      partition: Number(first.tributary_partition),
      timeMs: Number(first.tributary_stored_time) / 1000,
      data: toBinary(RecordBatchSchema, batch),
    });
  }
  return messages;
}
