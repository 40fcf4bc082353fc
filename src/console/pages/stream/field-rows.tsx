/** Edits the fields of a schema, also those within fields. */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  FieldSchema,
  Field_Type as Type,
} from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { canBeKey, TYPE_CHOICES, withType } from "../../api/field-types.ts";
import { CheckField, SelectField, TextField } from "../../parts/field.tsx";

/** The key of the stream, for rows at the top. */
export interface KeyChoice {
  readonly names: readonly string[];
  readonly onChange: (names: string[]) => void;
}

interface Rows {
  readonly fields: readonly Field[];
  readonly onChange: (fields: Field[]) => void;
  /** Path of the list in the request, such as `stream.schema.fields`. */
  readonly path: string;
  readonly faults: readonly FieldFault[];
  readonly keys?: KeyChoice;
}

/** One row a field, with a button for another one. */
export function FieldRows({ fields, onChange, path, faults, keys }: Rows) {
  const replace = (at: number, field: Field) => {
    const before = fields[at]?.name ?? "";
    onChange(fields.map((each, i) => (i === at ? field : each)));
    if (keys?.names.includes(before)) {
      const names = keys.names.filter((name) => name !== before);
      keys.onChange(canBeKey(field) ? [...names, field.name] : names);
    }
  };
  const remove = (at: number) => {
    keys?.onChange(keys.names.filter((name) => name !== fields[at]?.name));
    onChange(fields.filter((_field, i) => i !== at));
  };
  return (
    <div className="stack">
      {fields.map((field, at) => (
        <FieldRow
          // biome-ignore lint/suspicious/noArrayIndexKey: a field's place is its identity while its name is typed
          key={at}
          field={field}
          number={at + 1}
          path={`${path}[${at}]`}
          faults={faults}
          onChange={(next) => replace(at, next)}
          onRemove={() => remove(at)}
          {...(keys && { keys })}
        />
      ))}
      <div>
        <button
          type="button"
          onClick={() => onChange([...fields, create(FieldSchema, { type: Type.STRING })])}
        >
          Add field
        </button>
      </div>
    </div>
  );
}

function FieldRow(props: {
  readonly field: Field;
  readonly number: number;
  readonly path: string;
  readonly faults: readonly FieldFault[];
  readonly onChange: (field: Field) => void;
  readonly onRemove: () => void;
  readonly keys?: KeyChoice;
}) {
  const { field, number, path, faults, onChange, keys } = props;
  const change = (part: Partial<Field>) => onChange(create(FieldSchema, { ...field, ...part }));
  return (
    <fieldset data-path={path}>
      <legend>Field {number}</legend>
      <div className="row">
        <TextField
          label={`Name of field ${number}`}
          value={field.name}
          onChange={(name) => change({ name })}
          fault={faultAt(faults, `${path}.name`) ?? faultAt(faults, path)}
        />
        <SelectField
          label={`Type of field ${number}`}
          value={field.type}
          choices={TYPE_CHOICES}
          onChange={(type) => onChange(withType(field, type))}
          fault={faultAt(faults, `${path}.type`)}
        />
      </div>
      <div className="actions">
        <CheckField
          label="May be null or missing"
          checked={field.nullable}
          onChange={(nullable) => change({ nullable })}
        />
        {keys && canBeKey(field) && field.name !== "" && (
          <CheckField
            label="Part of the key"
            checked={keys.names.includes(field.name)}
            onChange={(isKey) =>
              keys.onChange(
                isKey ? [...keys.names, field.name] : keys.names.filter((n) => n !== field.name),
              )
            }
          />
        )}
        <button type="button" className="small" onClick={props.onRemove}>
          Remove <span className="unseen">field {number}</span>
        </button>
      </div>
      <Inside {...props} />
    </fieldset>
  );
}

/** What a field holds: the type of its items, or the fields of a struct. */
function Inside(props: {
  readonly field: Field;
  readonly path: string;
  readonly faults: readonly FieldFault[];
  readonly onChange: (field: Field) => void;
}) {
  const { field, path, faults, onChange } = props;
  const { element } = field;
  if (field.type === Type.STRUCT) {
    return (
      <FieldRows
        fields={field.fields}
        path={`${path}.fields`}
        faults={faults}
        onChange={(fields) => onChange(create(FieldSchema, { ...field, fields }))}
      />
    );
  }
  if (!element) return null;
  const setElement = (next: Field) => onChange(create(FieldSchema, { ...field, element: next }));
  return (
    <>
      <SelectField
        label={field.type === Type.MAP ? "Type of its values" : "Type of its items"}
        value={element.type}
        choices={TYPE_CHOICES}
        onChange={(type) => setElement(withType(element, type))}
        fault={faultAt(faults, `${path}.element`)}
      />
      <Inside field={element} path={`${path}.element`} faults={faults} onChange={setElement} />
    </>
  );
}
