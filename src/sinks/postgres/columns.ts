import { clone } from "@bufbuild/protobuf";
import {
  type PostgresSink,
  PostgresSink_Mode,
  PostgresSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { type Field, Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";

/** Where the value of a column comes from: a field of the record, or a fact about it. */
export type ColumnSource = "field" | "record_id" | "arrival_time" | "producer_id";

/** A column of the target table. */
export interface Column {
  readonly name: string;
  readonly source: ColumnSource;
  /** Type of the field; STRING for facts. */
  readonly type: Field_Type;
  /** Type in Postgres, as format_type writes it. */
  readonly sqlType: string;
  readonly isNullable: boolean;
  /** Whether the table has it: what marks a deletion is only looked at. */
  readonly isStored: boolean;
}

const SQL_TYPES: Readonly<Partial<Record<Field_Type, string>>> = {
  [Field_Type.STRING]: "text",
  [Field_Type.LONG]: "bigint",
  [Field_Type.DOUBLE]: "double precision",
  [Field_Type.DECIMAL]: "numeric",
  [Field_Type.BOOLEAN]: "boolean",
  [Field_Type.TIMESTAMP]: "timestamp with time zone",
  [Field_Type.DATE]: "date",
  [Field_Type.BINARY]: "bytea",
};

/** Types of an existing column that hold every value of ours, beside our own. */
const COMPATIBLE: Readonly<Record<string, readonly string[]>> = {
  text: ["character varying"],
  bigint: ["numeric"],
  jsonb: ["json"],
};

/** The configuration with the primary key that the stream settles for changes. */
export function settleKey(config: PostgresSink, schema: Schema): PostgresSink {
  const capture = schema.changeDataCapture;
  if (config.mode !== PostgresSink_Mode.CHANGE_DATA_CAPTURE || !capture) return config;
  const primaryKey = [...capture.primaryKey];
  return Object.assign(clone(PostgresSinkSchema, config), { primaryKey });
}

/** Columns for a schema: one for each field (jsonb for nested ones), then the configured facts. */
export function columnsOf(config: PostgresSink, schema: Schema): readonly Column[] {
  const isCapture = config.mode === PostgresSink_Mode.CHANGE_DATA_CAPTURE;
  const deletion = isCapture ? schema.changeDataCapture?.deleteField : undefined;
  const columns: Column[] = schema.fields.map((field: Field) => ({
    name: field.name,
    source: "field",
    type: field.type,
    sqlType: SQL_TYPES[field.type] ?? "jsonb",
    isNullable: field.nullable && !config.primaryKey.includes(field.name),
    isStored: field.name !== deletion,
  }));
  const fact = (name: string | undefined, source: ColumnSource, sqlType: string) => {
    if (!name) return;
    columns.push({
      name,
      source,
      type: Field_Type.STRING,
      sqlType,
      isNullable: false,
      isStored: true,
    });
  };
  fact(config.metadataColumns?.recordId, "record_id", "uuid");
  fact(config.metadataColumns?.arrivalTime, "arrival_time", "timestamp with time zone");
  fact(config.metadataColumns?.producerId, "producer_id", "text");
  return columns;
}

/** Whether an existing column of type `found` takes every value of `column`. */
export function fitsType(column: Column, found: string): boolean {
  return found === column.sqlType || (COMPATIBLE[column.sqlType] ?? []).includes(found);
}

/** An identifier in double quotes, which may hold any character but NUL. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."table"` of the target. */
export function tableOf(config: PostgresSink): string {
  return `${quoteIdentifier(schemaOf(config))}.${quoteIdentifier(config.table)}`;
}

/** Schema of the target table: `public` unless it is set. */
export function schemaOf(config: PostgresSink): string {
  return config.schema === "" ? "public" : config.schema;
}
