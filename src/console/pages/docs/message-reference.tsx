/** The fields of a message with what the protos say of them. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { useState } from "react";
import { commentOf } from "../../parts/message-words.ts";

/** One row a field; messages within open when they are wanted, so circles do no harm. */
export function MessageReference({ desc }: { readonly desc: DescMessage }) {
  if (desc.fields.length === 0) return <p>It has no fields.</p>;
  return (
    <dl className="fields">
      {desc.fields.map((field) => (
        <FieldReference key={field.name} field={field} />
      ))}
    </dl>
  );
}

function FieldReference({ field }: { readonly field: DescField }) {
  const [isOpen, setOpen] = useState(false);
  const inner = innerMessage(field);
  return (
    <>
      <dt>
        <code>{field.jsonName}</code>
      </dt>
      <dd>
        <span className="quiet">
          {typeText(field)}
          {field.oneof && `, one of ${field.oneof.name.replaceAll("_", " ")}`}
        </span>
        <p>{commentOf(field)}</p>
        {field.enum && <p>{field.enum.values.map(({ name }) => name).join(", ")}</p>}
        {inner && (
          <details onToggle={(event) => setOpen(event.currentTarget.open)}>
            <summary>{inner.name}</summary>
            {isOpen && <MessageReference desc={inner} />}
          </details>
        )}
      </dd>
    </>
  );
}

/** The message of a field, of its items or of its values; messages of Google are described elsewhere. */
function innerMessage({ message }: DescField): DescMessage | undefined {
  return message?.typeName.startsWith("tributary.") ? message : undefined;
}

function typeText(field: DescField): string {
  const scalar = field.scalar === undefined ? "" : ScalarType[field.scalar].toLowerCase();
  const one = field.message?.name ?? field.enum?.name ?? scalar;
  if (field.fieldKind === "list") return `list of ${one}`;
  return field.fieldKind === "map" ? `map of ${one}` : one;
}
