/** A mapping compiled: how each record of a sink becomes a row. */
import { create } from "@bufbuild/protobuf";
import type { Column, Mapping } from "#gen/tributary/management/v1/mapping_pb.js";
import {
  Field_Type,
  FieldSchema,
  type Schema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../core/errors.ts";
import { compileSchema, type RecordCheck } from "../core/schema-check.ts";
import { FIELD_NAME_PATTERN } from "../core/schema-definition.ts";
import { recordScan } from "../core/schema-scan.ts";
import { bodyReader } from "./body.ts";
import {
  ColumnFault,
  type ColumnKind,
  type ColumnType,
  type CompiledColumn,
} from "./columns/column.ts";
import { columnTypes } from "./columns/index.ts";
import { createPathSet } from "./path-set.ts";
import { type MappedRecord, RecordView, type ViewPlan } from "./record-view.ts";
import type { TemplateInput } from "./templates/template-functions.ts";

/** Why a record has no row. */
export class MappingFault {
  readonly column: string;
  readonly why: string;

  constructor(column: string, why: string) {
    this.column = column;
    this.why = why;
  }

  /** For people: the column, where one is to blame, and the reason. */
  get text(): string {
    return this.column ? `column ${this.column}: ${this.why}` : this.why;
  }
}

/** What a template made of one record: JSON text, or why it made nothing. */
export type TemplateResult = string | ColumnFault;

/** A mapping that is ready to be used. */
export interface CompiledMapping {
  /** What its rows look like: one field for each column. */
  readonly schema: Schema;
  /** Names of the columns that form the primary key. */
  readonly primaryKey: readonly string[];
  /** Jsonnet sources of the template columns, in the order of the columns. */
  readonly templates: readonly string[];
  /** A record as the columns see it. */
  viewOf(record: MappedRecord): RecordView;
  /** What the templates see of a record. */
  inputOf(view: RecordView): TemplateInput;
  /** The row of a record, as JSON; `made` holds what each template made of it. */
  map(view: RecordView, made: readonly TemplateResult[]): Uint8Array | MappingFault;
}

interface Cell {
  readonly name: string;
  /** The name as JSON, with the colon and what stands before it. */
  readonly head: string;
  readonly compiled: CompiledColumn;
  readonly type: Field_Type;
  readonly nullable: boolean;
}

/** Compiles a mapping of a stream with this schema; gives all faults at once when there are some. */
export function compileMapping(
  mapping: Mapping,
  schema: Schema,
): CompiledMapping | FieldViolation[] {
  const violations: FieldViolation[] = [];
  const plan: ViewPlan = {
    bodyOf: bodyReader(schema),
    fields: createPathSet(),
    paths: createPathSet(),
  };
  const names = new Set<string>();
  const cells = mapping.columns.flatMap((column, i) => {
    const field = `columns[${i}]`;
    for (const fault of checkColumn(column, names)) {
      violations.push({ field: `${field}.${fault.field}`, description: fault.description });
    }
    names.add(column.name);
    const compiled = compileColumn(column, schema, plan);
    if (!("field" in compiled)) return [cellOf(column, compiled, names.size === 1)];
    violations.push({ field: `${field}.${compiled.field}`, description: compiled.description });
    return [];
  });
  return violations.length > 0 ? violations : finish(mapping, cells, plan);
}

function checkColumn(column: Column, names: ReadonlySet<string>): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const { name, nullable, primaryKey } = column;
  if (!FIELD_NAME_PATTERN.test(name)) {
    const description = "a name is a letter or underscore, then letters, digits, _ and -";
    violations.push({ field: "name", description });
  } else if (names.has(name)) {
    violations.push({ field: "name", description: `another column is named ${name}` });
  }
  if (primaryKey && nullable) {
    const description = "a column of the primary key may not be nullable";
    violations.push({ field: "nullable", description });
  }
  return violations;
}

function compileColumn({ value, ...column }: Column, schema: Schema, plan: ViewPlan) {
  if (!value.case) return { field: "value", description: "say what fills the column" };
  // The compiler does not see that case and value belong to one another.
  const type = columnTypes[value.case] as unknown as ColumnType<ColumnKind>;
  return type.compile(value.value, { column: { value, ...column }, schema, ...plan });
}

function cellOf(
  { name, type, nullable }: Column,
  compiled: CompiledColumn,
  isFirst: boolean,
): Cell {
  return {
    name,
    head: `${isFirst ? "{" : ","}${JSON.stringify(name)}:`,
    compiled,
    type: type || compiled.type,
    nullable,
  };
}

function finish(mapping: Mapping, cells: readonly Cell[], plan: ViewPlan): CompiledMapping {
  const schema = outputSchema(cells);
  const check = cells.some(needsCheck) ? compileSchema(checkedSchema(schema)) : undefined;
  return {
    schema,
    primaryKey: mapping.columns.filter((column) => column.primaryKey).map(({ name }) => name),
    templates: cells.flatMap(({ compiled }) => ("template" in compiled ? [compiled.template] : [])),
    viewOf: (record) => new RecordView(record, plan),
    inputOf({ body: { text, json }, record: { call, arrivalTimeUs } }) {
      return { text, json, call, timeMs: Math.floor(arrivalTimeUs / 1_000) };
    },
    map(view, made) {
      let text = "";
      let template = 0;
      for (const cell of cells) {
        const { compiled } = cell;
        const value = "read" in compiled ? compiled.read(view) : made[template++]!;
        if (value instanceof ColumnFault) return new MappingFault(cell.name, value.why);
        text += cell.head;
        text += cell.type === Field_Type.STRING ? stringText(value) : value;
      }
      const row = Buffer.from(`${text}}`);
      return (check && findFault(check, row)) ?? row;
    },
  };
}

function outputSchema(cells: readonly Cell[]): Schema {
  const fields = cells.map(({ name, type, nullable }) =>
    create(FieldSchema, { name, type, nullable }),
  );
  return create(SchemaSchema, { fields });
}

/** Null is a value of JSON. */
function checkedSchema({ fields }: Schema): Schema {
  const checked = fields.map((field) =>
    create(FieldSchema, { ...field, nullable: field.nullable || field.type === Field_Type.JSON }),
  );
  return create(SchemaSchema, { fields: checked });
}

function needsCheck({ compiled, type }: Cell): boolean {
  if (type === Field_Type.JSON) return false;
  return !compiled.isSure || compiled.type !== type;
}

/** A value as a JSON string: what is none is given as its JSON text; null stays what it is. */
function stringText(value: string): string {
  return value.charCodeAt(0) === 0x22 || value === "null" ? value : JSON.stringify(value);
}

function findFault(check: RecordCheck, row: Uint8Array): MappingFault | undefined {
  const scan = recordScan(row);
  check(scan);
  const [fault] = scan.faults;
  if (!fault) return undefined;
  const [column = ""] = fault.path.split(/[.[]/, 1);
  return new MappingFault(column, fault.description);
}
