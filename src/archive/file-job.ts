/** What the thread that makes files of archives is asked; the same job makes the same bytes. */
import type { ParquetColumn } from "../sinks/parquet/column.ts";

/** A message of the log, as far as a file keeps it. */
export interface ArchivedMessage {
  readonly sequence: number;
  readonly partition: number;
  readonly generation: number;
  readonly timeMs: number;
  /** An encoded RecordBatch. */
  readonly data: Uint8Array;
}

/** A file to be made. */
export interface ArchiveJob {
  readonly logUid: string;
  readonly logName: string;
  /** Columns for the fields of the stream. */
  readonly fields: readonly ParquetColumn[];
  readonly messages: readonly ArchivedMessage[];
}

/**
 * Columns that every file begins with; a field of the stream with such a name has no column of its own.
 * `tributary_message` stands in the first record of a message and holds what its records share (an
 * encoded RecordBatch without records), so that messages can be made again as they were.
 */
export const OWN_COLUMNS: readonly ParquetColumn[] = [
  { name: "tributary_sequence", type: "long", source: "given" },
  { name: "tributary_index", type: "long", source: "given" },
  { name: "tributary_partition", type: "long", source: "given" },
  { name: "tributary_generation", type: "long", source: "given" },
  { name: "tributary_record_id", type: "text", source: "given", isUnique: true },
  { name: "tributary_arrival_time", type: "micros", source: "given" },
  { name: "tributary_stored_time", type: "micros", source: "given" },
  { name: "tributary_producer_id", type: "text", source: "given" },
  { name: "tributary_schema_version", type: "long", source: "given" },
  { name: "tributary_source", type: "text", source: "given" },
  { name: "tributary_record", type: "text", source: "row", isUnique: true },
  { name: "tributary_message", type: "bytes", source: "given", isUnique: true },
];
