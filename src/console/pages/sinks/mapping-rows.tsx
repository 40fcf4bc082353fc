/** The columns of a mapping. */
import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ColumnSchema, type Mapping } from "#gen/tributary/management/v1/mapping_pb.js";
import { Field_Type as Type } from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { TYPE_CHOICES } from "../../api/field-types.ts";
import { CheckField, SelectField, TextField } from "../../parts/field.tsx";
import { TemplateField } from "./template-field.tsx";

/** Kinds of columns, and what the text beside each is. */
const KINDS = [
  ["field", "A field of the record"],
  ["path", "A value at a path"],
  ["template", "A Jsonnet template"],
  ["id", "Id of the record"],
  ["datetime", "Arrival time"],
  ["ip", "Address of the sender"],
  ["body", "The whole body"],
  ["headers", "All headers"],
] as const;

/** A column as it is typed. */
export interface ColumnInput {
  readonly name: string;
  readonly kind: string;
  /** Name of the field, the path, or the template. */
  readonly text: string;
  readonly primaryKey: boolean;
  readonly nullable: boolean;
  /** Type of the value; unspecified for what the kind gives by itself. */
  readonly type: Type;
  /** What a path that is missing gives, as JSON text; empty: such a row is held. */
  readonly fallback: string;
}

const TYPES = [
  [Type.TYPE_UNSPECIFIED, "As it comes"],
  ...TYPE_CHOICES.filter(([type]) => ![Type.ARRAY, Type.MAP, Type.STRUCT].includes(type)),
] as const;

const TEXTS: Readonly<Record<string, string>> = {
  field: "name",
  path: "path",
  template: "content",
};

const NO_COLUMN: ColumnInput = {
  ...{ name: "", kind: "field", text: "", fallback: "" },
  ...{ primaryKey: false, nullable: false, type: Type.TYPE_UNSPECIFIED },
};

/** The columns of a mapping for the form. */
export function readColumns(mapping: Mapping | undefined): ColumnInput[] {
  return (mapping?.columns ?? []).map((column) => {
    const json = toJson(ColumnSchema, column) as JsonObject;
    const kind = column.value.case ?? "field";
    const value = (json[kind] ?? {}) as JsonObject;
    const fallback = "default" in value ? JSON.stringify(value.default) : "";
    return {
      name: column.name,
      kind,
      text: String(value[TEXTS[kind] ?? ""] ?? ""),
      primaryKey: column.primaryKey,
      nullable: column.nullable,
      type: column.type,
      fallback,
    };
  });
}

/** A column in the JSON form of Protobuf. Throws when the default of a path is no JSON. */
export function columnJson(column: ColumnInput): JsonObject {
  const { name, kind, text, primaryKey, nullable, type, fallback } = column;
  const textName = TEXTS[kind];
  const value: JsonObject = textName ? { [textName]: text } : {};
  if (kind === "template") value.language = "jsonnet";
  if (kind === "path" && fallback.trim() !== "") value.default = readFallback(column);
  return { name, primaryKey, nullable, [kind]: value, ...(type && { type }) };
}

function readFallback({ name, fallback }: ColumnInput): JsonValue {
  try {
    return JSON.parse(fallback) as JsonValue;
  } catch {
    throw new Error(`the default of the column ${name} is no JSON: write texts as "text"`);
  }
}

/** One row a column. Without rows the record is delivered as it was pushed. */
export function MappingRows(props: {
  readonly columns: readonly ColumnInput[];
  /** Paths that records hold, to choose from. */
  readonly paths: readonly string[];
  readonly onChange: (columns: ColumnInput[]) => void;
  readonly faults: readonly FieldFault[];
}) {
  const { columns, paths, onChange, faults } = props;
  return (
    <fieldset>
      <legend>Columns</legend>
      {columns.length === 0 && <p>None: a record is delivered as it was pushed.</p>}
      {columns.map((column, at) => (
        <ColumnRow
          // biome-ignore lint/suspicious/noArrayIndexKey: a column's place is its identity while its name is typed
          key={at}
          column={column}
          number={at + 1}
          paths={paths}
          fault={faultUnder(faults, `mapping.columns[${at}]`)}
          onChange={(next) => onChange(columns.map((each, i) => (i === at ? next : each)))}
          onRemove={() => onChange(columns.filter((_each, i) => i !== at))}
        />
      ))}
      <div>
        <button type="button" onClick={() => onChange([...columns, NO_COLUMN])}>
          Add column
        </button>
      </div>
    </fieldset>
  );
}

function ColumnRow(props: {
  readonly column: ColumnInput;
  readonly number: number;
  readonly paths: readonly string[];
  readonly fault: string | undefined;
  readonly onChange: (column: ColumnInput) => void;
  readonly onRemove: () => void;
}) {
  const { column, number, paths, fault, onChange } = props;
  const set = (part: Partial<ColumnInput>) => onChange({ ...column, ...part });
  return (
    <fieldset>
      <legend>Column {number}</legend>
      <div className="row">
        <TextField
          label={`Name of column ${number}`}
          value={column.name}
          onChange={(name) => set({ name })}
          fault={fault}
        />
        <SelectField
          label={`Column ${number} holds`}
          value={column.kind}
          choices={KINDS}
          onChange={(kind) => set({ kind, text: "" })}
        />
        <SelectField
          label={`Type of column ${number}`}
          value={column.type}
          choices={TYPES}
          onChange={(type) => set({ type })}
        />
      </div>
      <ColumnValue column={column} number={number} paths={paths} set={set} />
      <div className="actions">
        <CheckField
          label="Primary key"
          checked={column.primaryKey}
          onChange={(primaryKey) => set({ primaryKey })}
        />
        <CheckField
          label="May be null"
          checked={column.nullable}
          onChange={(nullable) => set({ nullable })}
        />
        <button type="button" className="small" onClick={props.onRemove}>
          Remove <span className="unseen">column {number}</span>
        </button>
      </div>
    </fieldset>
  );
}

/** What stands behind the kind: a name, a path with its default, or a template. */
function ColumnValue(props: {
  readonly column: ColumnInput;
  readonly number: number;
  readonly paths: readonly string[];
  readonly set: (part: Partial<ColumnInput>) => void;
}) {
  const { column, number, paths, set } = props;
  if (column.kind === "template") {
    return (
      <TemplateField
        label={`Template of column ${number}`}
        value={column.text}
        onChange={(text) => set({ text })}
        paths={paths}
      />
    );
  }
  if (!(column.kind in TEXTS)) return null;
  return (
    <div className="row">
      <TextField
        label={`Name or path of column ${number}`}
        value={column.text}
        onChange={(text) => set({ text })}
        options={column.kind === "path" ? paths : paths.filter((path) => /^[\w-]+$/.test(path))}
      />
      {column.kind === "path" && (
        <TextField
          label={`Default of column ${number}`}
          optional
          hint='JSON, such as 0 or "none". Without one a record without this path is held.'
          value={column.fallback}
          onChange={(fallback) => set({ fallback })}
        />
      )}
    </div>
  );
}

function faultUnder(faults: readonly FieldFault[], path: string): string | undefined {
  const below = faults.filter(({ field }) => field.startsWith(path));
  return faultAt(faults, path) ?? below[0]?.description;
}
