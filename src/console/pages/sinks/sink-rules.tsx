/** Filter and mapping of a sink, with what they make of the newest records beside them as one types. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { type Filter, FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { type Mapping, MappingSchema } from "#gen/tributary/management/v1/mapping_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { TextArea, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { FaultNote } from "../../parts/note.tsx";
import { pathsOf } from "./jsonnet-completion.ts";
import { type ColumnInput, columnJson, MappingRows, readColumns } from "./mapping-rows.tsx";
import { PreviewTable } from "./preview-table.tsx";
import type { SinkPart } from "./sink-details.tsx";
import { sinks } from "./sink-kinds.ts";
import { preloadEditor } from "./template-field.tsx";
import { type Rules, usePreview } from "./use-preview.ts";

/** The part "Filter and mapping". It begins anew when the sink was changed, by whomever. */
export function SinkRules(props: SinkPart) {
  const [saved, setSaved] = useState("");
  return (
    <>
      <RulesForm key={props.sink.etag} {...props} onSaved={setSaved} />
      <p role="status">{saved}</p>
    </>
  );
}

function RulesForm({
  sink,
  stream,
  onSaved,
}: SinkPart & { readonly onSaved: (words: string) => void }) {
  const queries = useQueryClient();
  const [cel, setCel] = useState(() => celOf(sink.filter));
  const [fields, setFields] = useState(() => fieldsOf(sink.filter));
  const [from, setFrom] = useState("");
  const [columns, setColumns] = useState<ColumnInput[]>(() => readColumns(sink.mapping));
  const read = (): Rules => {
    const mapping = readMapping(columns);
    const filter = readFilter(cel, fields);
    return { ...(mapping && { mapping }), ...(filter && { filter }) };
  };
  const preview = usePreview({
    stream: stream.name,
    sink: sink.name,
    read,
    of: [cel, fields, columns],
  });
  useEffect(preloadEditor, []);
  const submit = useSubmit(async () => {
    const changed = { name: sink.name, etag: sink.etag, ...read() };
    const fromSequence = readFrom(from);
    await sinks.updateSink({
      ...{ sink: changed, fromSequence },
      updateMask: { paths: ["mapping", "filter"] },
    });
    onSaved(
      fromSequence > 0n
        ? `Saved. It applies from sequence ${fromSequence} on.`
        : "Saved. It applies to what is pushed from now on.",
    );
    await queries.invalidateQueries();
  });
  const faults = [...submit.faults, ...preview.faults].map(withoutSink);
  const paths = useMemo(() => pathsOf(stream.schema?.fields ?? []), [stream.schema]);
  return (
    <div className="beside">
      <section className="card stack" aria-labelledby="rules-title">
        <h2 id="rules-title">Filter and mapping</h2>
        <Form submit={submit} label="Save filter and mapping">
          <TextField
            label="Deliver only records with this CEL expression"
            optional
            placeholder="record.temperature > 20.0"
            value={cel}
            onChange={setCel}
            fault={faultAt(faults, "filter.cel")}
          />
          {cel === "" && (
            <TextArea
              label="Or with these values"
              optional
              isCode
              rows={3}
              hint='JSON, such as {"terms": [{"field": "site.id", "value": ["a", "b"]}]}; groups stand under "or" and "and".'
              value={fields}
              onChange={setFields}
              fault={faultAt(faults, "filter.fields")}
            />
          )}
          <MappingRows columns={columns} paths={paths} onChange={setColumns} faults={faults} />
          <TextField
            label="From this sequence on"
            optional
            hint="For a change that is to begin with a record that is not stored yet. Empty: with the next one."
            value={from}
            onChange={setFrom}
            fault={faultAt(faults, "from_sequence")}
          />
        </Form>
      </section>
      <section className="card stack" aria-labelledby="preview-title">
        <h2 id="preview-title">On the newest records</h2>
        <FaultNote error={preview.error} />
        {preview.answer ? <PreviewTable preview={preview.answer} /> : <p>One moment…</p>}
      </section>
    </div>
  );
}

/** Both calls name the same places, one of them within the sink. */
function withoutSink({ field, description }: FieldFault): FieldFault {
  return { field: field.replace(/^sink\./, ""), description };
}

function readFrom(text: string): bigint {
  if (text.trim() === "") return 0n;
  if (!/^[1-9]\d{0,15}$/.test(text.trim())) throw new Error(`“${text}” is no sequence`);
  return BigInt(text.trim());
}

function celOf(filter: Filter | undefined): string {
  return filter?.condition.case === "cel" ? filter.condition.value : "";
}

function fieldsOf(filter: Filter | undefined): string {
  if (filter?.condition.case !== "fields") return "";
  const { fields } = toJson(FilterSchema, filter) as { fields?: JsonObject };
  return JSON.stringify(fields, null, 2);
}

function readFilter(cel: string, fields: string): Filter | undefined {
  if (cel.trim() !== "") return fromJson(FilterSchema, { cel });
  if (fields.trim() === "") return undefined;
  return fromJson(FilterSchema, { fields: JSON.parse(fields) as JsonObject });
}

function readMapping(columns: readonly ColumnInput[]): Mapping | undefined {
  if (columns.length === 0) return undefined;
  return fromJson(MappingSchema, { columns: columns.map(columnJson) });
}
