/** Makes a stream. */

import { create } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import {
  Stream_SchemaMode as Mode,
  type Schema,
  SchemaSchema,
  type Stream,
  Stream_Throughput as Throughput,
} from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { SelectField, TextArea, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";
import { useTouched } from "../../parts/touched.ts";
import { ChangeDataCapturePart } from "./change-data-capture.tsx";
import { FieldRows } from "./field-rows.tsx";
import { PresetField, SettledFields } from "./preset-part.tsx";
import { SampleDialog } from "./sample-dialog.tsx";
import { type StreamCheck, streams, useStreamCheck, useStreamDraft } from "./stream-draft.ts";

const THROUGHPUTS = [
  [Throughput.NORMAL, "Normal: 1 partition"],
  [Throughput.HIGH, "High: 4 partitions"],
  [Throughput.MAX, "Max: 16 partitions"],
] as const;

const MODES = [
  [Mode.STRICT, "Strict: records that do not fit are refused"],
  [Mode.EVOLVE, "Evolve: they are taken, and a change of the schema is proposed"],
  [Mode.OPEN, "Open: they are taken; only the key is checked"],
] as const;

/** The page of a new stream. */
export default function NewStream({ params }: { readonly params: { readonly p: string } }) {
  const project = `projects/${params.p}`;
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const { draft, change, forget } = useStreamDraft(project);
  const check = useStreamCheck(project, draft);
  const submit = useSubmit(async () => {
    const { stream } = await streams.createStream({ parent: project, stream: draft });
    forget();
    await queries.invalidateQueries();
    navigate(`/${stream?.name}/connect`);
  });
  const touched = useTouched();
  const faults = touched.of(check.known);
  return (
    <Page
      title="New stream"
      crumbs={[
        ["Projects", "/"],
        [project, `/${project}`],
      ]}
    >
      <SourceSigns />
      <Form
        submit={submit}
        label="Create stream"
        disabled={check.fault !== null}
        onBlocked={touched.all}
        beside={<WhatIsWrong fault={check.fault} />}
      >
        <div className="pair" ref={touched.watch}>
          <TextField
            label="Name"
            path="streamId stream.displayName"
            value={draft.displayName}
            onChange={(displayName) => change({ displayName })}
            fault={faultAt(faults, "stream_id") ?? faultAt(faults, "stream.display_name")}
          />
          <TextArea
            label="Description"
            optional
            rows={2}
            value={draft.description}
            onChange={(description) => change({ description })}
            fault={faultAt(check.known, "stream.description")}
          />
          <SchemaPart
            project={project}
            draft={draft}
            change={change}
            faults={faults}
            keyFault={check.known.find(({ field }) => field.startsWith("stream.keyFields"))}
          />
          <SelectField
            label="Throughput"
            value={draft.throughput}
            choices={THROUGHPUTS}
            onChange={(throughput) => change({ throughput })}
            hint="Records of one key always stay in one partition, in the order of their push."
            fault={faultAt(check.known, "stream.throughput")}
          />
          <SelectField
            label="Records that do not fit the schema"
            value={draft.schemaMode}
            choices={MODES}
            onChange={(schemaMode) => change({ schemaMode })}
            fault={faultAt(check.known, "stream.schema_mode")}
          />
        </div>
      </Form>
    </Page>
  );
}

function SchemaPart(props: {
  readonly project: string;
  readonly draft: Stream;
  readonly change: (part: Partial<Stream>) => void;
  readonly faults: readonly FieldFault[];
  readonly keyFault: FieldFault | undefined;
}) {
  const { draft, change, faults, keyFault } = props;
  const [isOpen, setOpen] = useState(false);
  const [notes, setNotes] = useState<readonly string[]>([]);
  const setSchema = (schema: Schema, found: readonly string[]) => {
    change({ schema, keyFields: [] });
    setNotes(found);
  };
  return (
    <section className="card stack" aria-labelledby="schema-title">
      <div className="title">
        <h2 id="schema-title">Schema</h2>
        <button type="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
          Generate from JSON sample…
        </button>
      </div>
      <PresetField
        project={props.project}
        schema={draft.schema}
        onSchema={(schema) => setSchema(schema, [])}
      />
      {notes.map((note) => (
        <Note key={note} kind="warn">
          {note}
        </Note>
      ))}
      {draft.schema?.preset ? (
        <SettledFields draft={draft} onKeys={(keyFields) => change(withKey(draft, keyFields))} />
      ) : (
        <FieldRows
          fields={draft.schema?.fields ?? []}
          path="stream.schema.fields"
          faults={faults}
          onChange={(fields) =>
            change({ schema: create(SchemaSchema, { ...draft.schema, fields }) })
          }
          keys={{
            names: draft.keyFields,
            onChange: (keyFields) => change(withKey(draft, keyFields)),
          }}
        />
      )}
      <p>
        Key: {draft.keyFields.length > 0 ? draft.keyFields.join(", ") : "none, so no order is kept"}
      </p>
      {keyFault && <p className="fault">{keyFault.description}</p>}
      <ChangeDataCapturePart draft={draft} change={change} faults={faults} />
      {isOpen && (
        <SampleDialog project={props.project} onSchema={setSchema} onClose={() => setOpen(false)} />
      )}
    </section>
  );
}

/** The key of rows is the key of the stream: both change together. */
function withKey({ schema }: Stream, keyFields: string[]): Partial<Stream> {
  const capture = schema?.changeDataCapture;
  if (!schema || !capture) return { keyFields };
  const changeDataCapture = { ...capture, primaryKey: keyFields };
  return { keyFields, schema: create(SchemaSchema, { ...schema, changeDataCapture }) };
}

/** Everything that keeps the button from working, beside it. */
function WhatIsWrong({ fault }: { readonly fault: StreamCheck["fault"] }) {
  return (
    <div role="status">
      {fault === undefined && <span className="quiet">Checking…</span>}
      {fault === null && <span className="quiet">Ready to be created.</span>}
      {fault && (
        <>
          <strong>Before the stream can be created:</strong>
          <ul>
            {fault.fields.length === 0 && <li>{fault.message}</li>}
            {fault.fields.map((each) => (
              <li key={each.field + each.description}>
                {labelOf(each.field)}: {each.description}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function labelOf(path: string): string {
  if (path === "streamId") return "Name";
  const field = /^stream\.schema\.fields\[(\d+)\](.*)$/.exec(path);
  if (field) return `Field ${Number(field[1]) + 1}${field[2]?.replaceAll(".", ", ")}`;
  return path.replace(/^stream\./, "");
}

function SourceSigns() {
  return (
    <Note>
      A stream is fed by pushes, by listeners for webhooks and devices (its sources, for senders
      that speak no API; one in mode Request keeps whatever comes, raw), by asking an address that
      exists on a schedule (a source in mode Poll), and by Kafka Connect. Create the stream first;
      its parts Connect and Sources then lead through each.
    </Note>
  );
}
