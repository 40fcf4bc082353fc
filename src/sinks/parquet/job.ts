/** What the thread that makes Parquet files is asked, and what it answers. */
import type { ParquetColumn } from "./column.ts";

/** How pages of a file are compressed. */
export type ParquetCodec = "UNCOMPRESSED" | "SNAPPY" | "GZIP" | "ZSTD";

/** A file to be made. */
export interface ParquetJob {
  readonly columns: readonly ParquetColumn[];
  /** The rows' JSON texts, one behind the other. */
  readonly text: Uint8Array;
  /** Where each row's text ends. */
  readonly ends: readonly number[];
  /** Values of the columns whose source is `given`, by name. */
  readonly given: Readonly<Record<string, readonly unknown[]>>;
  /** Numbers of rows of the row groups; together all of them. */
  readonly groups: readonly number[];
  readonly codec: ParquetCodec;
  /** Whether a value that does not fit its column is left out; else its row is refused. */
  readonly isLenient: boolean;
  /** Key-value metadata of the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A row that was left out of the file. */
export interface RefusedRow {
  readonly row: number;
  readonly field: string;
  readonly why: string;
}

/** A file; without rows when every one was refused. */
export interface ParquetFile {
  readonly bytes: Uint8Array;
  /** Number of its rows. */
  readonly rows: number;
  readonly refused: readonly RefusedRow[];
}
