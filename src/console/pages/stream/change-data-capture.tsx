/** For records that are changes of rows elsewhere: which fields say what changed, and when. */
import { create } from "@bufbuild/protobuf";
import {
  ChangeDataCaptureSchema,
  type Field,
  SchemaSchema,
  type Stream,
  Field_Type as Type,
} from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { CheckField, SelectField } from "../../parts/field.tsx";

const ORDER_TYPES: ReadonlySet<Type> = new Set([
  Type.LONG,
  Type.DECIMAL,
  Type.DOUBLE,
  Type.TIMESTAMP,
  Type.DATE,
]);

const PATH = "stream.schema.changeDataCapture";

/** A switch with the fields behind it. The primary key is the stream's key. */
export function ChangeDataCapturePart(props: {
  readonly draft: Stream;
  readonly change: (part: Partial<Stream>) => void;
  readonly faults: readonly FieldFault[];
}) {
  const { draft, change, faults } = props;
  const current = draft.schema?.changeDataCapture;
  const fields = draft.schema?.fields ?? [];
  const set = (next: { orderField?: string; deleteField?: string } | undefined) => {
    const { changeDataCapture: _old, ...rest } = draft.schema ?? create(SchemaSchema);
    const capture =
      next &&
      create(ChangeDataCaptureSchema, {
        orderField: next.orderField ?? current?.orderField ?? "",
        deleteField: next.deleteField ?? current?.deleteField ?? "",
        primaryKey: draft.keyFields,
      });
    change({
      schema: create(SchemaSchema, { ...rest, ...(capture && { changeDataCapture: capture }) }),
    });
  };
  return (
    <>
      <CheckField
        label="Change data capture: records are changes of rows, and the newest of each key counts"
        checked={current !== undefined}
        onChange={(isOn) => set(isOn ? {} : undefined)}
      />
      {current && (
        <div className="row" data-path={PATH}>
          <SelectField
            label="Order field"
            hint="It grows with every change of a row."
            value={current.orderField}
            choices={named(fields, (field) => ORDER_TYPES.has(field.type) && !field.nullable)}
            onChange={(orderField) => set({ orderField })}
            fault={
              faultAt(faults, `${PATH}.orderField`) ??
              faultAt(faults, `${PATH}.primaryKey`) ??
              faultAt(faults, PATH)
            }
          />
          <SelectField
            label="Delete field"
            hint="It is true in a deletion."
            value={current.deleteField}
            choices={named(fields, (field) => field.type === Type.BOOLEAN)}
            onChange={(deleteField) => set({ deleteField })}
            fault={faultAt(faults, `${PATH}.deleteField`)}
          />
        </div>
      )}
    </>
  );
}

function named(fields: readonly Field[], fits: (field: Field) => boolean) {
  const names = fields.filter((field) => field.name !== "" && fits(field)).map(({ name }) => name);
  return [["", "None"], ...names.map((name) => [name, name] as const)] as const;
}
