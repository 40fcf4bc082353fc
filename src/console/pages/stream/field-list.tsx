/** Fields to read, with those within them. */
import type { Field } from "#gen/tributary/management/v1/stream_pb.js";
import { typeName } from "../../api/field-types.ts";

/** One line a field. */
export function FieldList(props: {
  readonly fields: readonly Field[];
  readonly keys?: readonly string[];
}) {
  return (
    <ul>
      {props.fields.map((field) => (
        <li key={field.name}>
          <code>{field.name}</code>: {typeName(field)}
          {field.nullable && <span className="quiet">, may be missing</span>}
          {props.keys?.includes(field.name) && <strong>, part of the key</strong>}
          {field.description && <span className="quiet">: {field.description}</span>}
          <Inner field={field} />
        </li>
      ))}
    </ul>
  );
}

function Inner({ field }: { readonly field: Field }) {
  if (field.fields.length > 0) return <FieldList fields={field.fields} />;
  return field.element ? <Inner field={field.element} /> : null;
}
