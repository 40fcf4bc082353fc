/** Columns of a Parquet file, and how JSON values become theirs without losing a digit. */
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";

/**
 * How a column is stored. `text` is UTF-8, `json` JSON text as it was written, `micros` a TIMESTAMP in
 * microseconds (UTC), `date` days since 1970. DECIMAL has no bound of digits, so its columns are `text`.
 */
export type ColumnType =
  | "text"
  | "json"
  | "long"
  | "double"
  | "boolean"
  | "micros"
  | "date"
  | "bytes";

/** Where the values of a column come from: a member of each row, the row's whole text, or a list given with the job. */
export type ColumnSource = "field" | "row" | "given";

/** A column. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly source: ColumnSource;
  /** Whether nearly every row has a value of its own: then neither a dictionary nor statistics pay. */
  readonly isUnique?: boolean;
}

const TYPES: Readonly<Record<Field_Type, ColumnType>> = {
  [Field_Type.TYPE_UNSPECIFIED]: "text",
  [Field_Type.STRING]: "text",
  [Field_Type.LONG]: "long",
  [Field_Type.DOUBLE]: "double",
  [Field_Type.DECIMAL]: "text",
  [Field_Type.BOOLEAN]: "boolean",
  [Field_Type.TIMESTAMP]: "micros",
  [Field_Type.DATE]: "date",
  [Field_Type.BINARY]: "bytes",
  [Field_Type.ARRAY]: "json",
  [Field_Type.MAP]: "json",
  [Field_Type.STRUCT]: "json",
  [Field_Type.JSON]: "json",
};

/** A column for each field of a schema. */
export function columnsOf(schema: Schema): ParquetColumn[] {
  return schema.fields.map(({ name, type }) => ({ name, type: TYPES[type], source: "field" }));
}
