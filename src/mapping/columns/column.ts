/** The contract of every kind of column. */
import type { Column } from "#gen/tributary/management/v1/mapping_pb.js";
import type { Field_Type, Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { PathSet } from "../path-set.ts";
import type { RecordView } from "../record-view.ts";

/** Kinds of columns: the cases of the oneof in mapping.proto. */
export type ColumnKind = NonNullable<Column["value"]["case"]>;

/** Message of a kind. */
export type ValueOf<K extends ColumnKind> = Extract<Column["value"], { case: K }>["value"];

/** What fills a column: JSON text, or why it cannot. */
export type ColumnReader = (view: RecordView) => string | ColumnFault;

/** Why a column of one record cannot be filled. */
export class ColumnFault {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/** A fault of a definition: `field` is a path below the column. */
export interface ColumnViolation {
  readonly field: string;
  readonly description: string;
}

/** What a column is compiled with. */
export interface ColumnContext {
  readonly column: Column;
  /** Schema of the stream. */
  readonly schema: Schema;
  /** Paths that are read of each record. */
  readonly fields: PathSet;
  /** Paths that are read of each body. */
  readonly paths: PathSet;
}

/** What a column is, once compiled: read here, or made by a template elsewhere. */
export type CompiledColumn = {
  /** Type when the column names none. */
  readonly type: Field_Type;
  /** Whether every value it gives has that type already. */
  readonly isSure: boolean;
} & ({ readonly read: ColumnReader } | { readonly template: string });

/** A kind of column. */
export interface ColumnType<K extends ColumnKind> {
  /** Compiles; gives the fault when the definition is wrong. */
  compile(value: ValueOf<K>, context: ColumnContext): CompiledColumn | ColumnViolation;
}
