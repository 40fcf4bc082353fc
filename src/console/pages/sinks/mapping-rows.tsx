/** The columns of a mapping. */
import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ColumnSchema, type Mapping } from "#gen/tributary/management/v1/mapping_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { CheckField, SelectField, TextArea, TextField } from "../../parts/field.tsx";

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
  /** What the form does not show and must not lose, such as the type. */
  readonly rest: JsonObject;
}

const TEXTS: Readonly<Record<string, string>> = {
  field: "name",
  path: "path",
  template: "content",
};

/** The columns of a mapping for the form. */
export function readColumns(mapping: Mapping | undefined): ColumnInput[] {
  return (mapping?.columns ?? []).map((column) => {
    const json = toJson(ColumnSchema, column) as JsonObject;
    const kind = column.value.case ?? "field";
    const value = (json[kind] ?? {}) as JsonObject;
    return {
      name: column.name,
      kind,
      text: String(value[TEXTS[kind] ?? ""] ?? ""),
      primaryKey: column.primaryKey,
      nullable: column.nullable,
      rest: { ...json, [kind]: value },
    };
  });
}

/** A column in the JSON form of Protobuf. */
export function columnJson(column: ColumnInput): JsonObject {
  const { name, kind, text, primaryKey, nullable, rest } = column;
  const textName = TEXTS[kind];
  const old = (rest[kind] ?? {}) as JsonObject;
  const value: JsonValue = textName ? { ...old, [textName]: text } : {};
  if (kind === "template") value.language = "jsonnet";
  const type = rest.type === undefined ? {} : { type: rest.type };
  return { name, primaryKey, nullable, [kind]: value, ...type };
}

/** One row a column. Without rows the record is delivered as it was pushed. */
export function MappingRows(props: {
  readonly columns: readonly ColumnInput[];
  readonly onChange: (columns: ColumnInput[]) => void;
  readonly faults: readonly FieldFault[];
}) {
  const { columns, onChange, faults } = props;
  const empty = { name: "", kind: "field", text: "", primaryKey: false, nullable: false, rest: {} };
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
          fault={faultUnder(faults, `sink.mapping.columns[${at}]`)}
          onChange={(next) => onChange(columns.map((each, i) => (i === at ? next : each)))}
          onRemove={() => onChange(columns.filter((_each, i) => i !== at))}
        />
      ))}
      <div>
        <button type="button" onClick={() => onChange([...columns, empty])}>
          Add column
        </button>
      </div>
    </fieldset>
  );
}

function ColumnRow(props: {
  readonly column: ColumnInput;
  readonly number: number;
  readonly fault: string | undefined;
  readonly onChange: (column: ColumnInput) => void;
  readonly onRemove: () => void;
}) {
  const { column, number, fault, onChange } = props;
  const set = (part: Partial<ColumnInput>) => onChange({ ...column, ...part });
  const Text = column.kind === "template" ? TextArea : TextField;
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
        {column.kind in TEXTS && (
          <Text
            label={`${TEXTS[column.kind] === "content" ? "Template" : "Name or path"} of column ${number}`}
            value={column.text}
            onChange={(text) => set({ text })}
          />
        )}
      </div>
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

function faultUnder(faults: readonly FieldFault[], path: string): string | undefined {
  const below = faults.filter(({ field }) => field.startsWith(path));
  return faultAt(faults, path) ?? below[0]?.description;
}
