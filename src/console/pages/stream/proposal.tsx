/** A change of the schema that a record asked for: accepted as it is, edited first, or dismissed. */
import { create } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type SchemaProposal, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { indented } from "../../api/record-json.ts";
import { DifferenceTable } from "../../parts/difference-table.tsx";
import { ActionButton, Form, useSubmit } from "../../parts/form.tsx";
import { Time } from "../../parts/time.tsx";
import { FieldRows } from "./field-rows.tsx";
import { streams } from "./stream-draft.ts";

/** The card of a proposal that waits. */
export function Proposal({ proposal }: { readonly proposal: SchemaProposal }) {
  const queries = useQueryClient();
  const [isEdited, setEdited] = useState(false);
  const { name, changes, unusablePaths, sampleJson, createTime } = proposal;
  const then = async (call: Promise<unknown>) => {
    await call;
    await queries.invalidateQueries();
  };
  return (
    <article className="card stack">
      <p>
        A record of <Time at={createTime} /> does not fit:
      </p>
      {changes.length === 0 ? (
        <p>The record fits the schema of now.</p>
      ) : (
        <DifferenceTable changes={changes} titles={["Now", "Proposed"]} none="no such field" />
      )}
      {unusablePaths.map((path) => (
        <p key={path}>
          <code>{path}</code> cannot be a field
        </p>
      ))}
      <details>
        <summary>The record</summary>
        <pre>
          <code>{indented(sampleJson)}</code>
        </pre>
      </details>
      <div className="actions">
        {!isEdited && (
          <ActionButton
            label="Accept"
            className="primary"
            call={() => then(streams.acceptSchemaProposal({ name }))}
          />
        )}
        <button type="button" aria-expanded={isEdited} onClick={() => setEdited(!isEdited)}>
          {isEdited ? "Leave it as proposed" : "Edit before accepting"}
        </button>
        <ActionButton label="Dismiss" call={() => then(streams.dismissSchemaProposal({ name }))} />
      </div>
      {isEdited && <EditedProposal proposal={proposal} />}
    </article>
  );
}

function EditedProposal({ proposal: { name, schema } }: { readonly proposal: SchemaProposal }) {
  const queries = useQueryClient();
  const [fields, setFields] = useState(schema?.fields ?? []);
  const submit = useSubmit(async () => {
    const edited = create(SchemaSchema, { ...schema, fields });
    await streams.acceptSchemaProposal({ name, schema: edited });
    await queries.invalidateQueries();
  });
  return (
    <Form submit={submit} label="Accept as edited">
      <FieldRows
        fields={fields}
        onChange={setFields}
        path="stream.schema.fields"
        faults={submit.faults}
      />
    </Form>
  );
}
