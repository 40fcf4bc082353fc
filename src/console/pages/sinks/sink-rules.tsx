/** Filter and mapping of a sink, with their effect on the newest records before they are saved. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Filter, FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { type Mapping, MappingSchema } from "#gen/tributary/management/v1/mapping_pb.js";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { PreviewSinkResponse } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { faultAt } from "../../api/fault.ts";
import { TextArea, TextField } from "../../parts/field.tsx";
import { ActionButton, Form, useSubmit } from "../../parts/form.tsx";
import { type ColumnInput, columnJson, MappingRows, readColumns } from "./mapping-rows.tsx";
import { PreviewTable } from "./preview-table.tsx";
import { sinks } from "./sink-kinds.ts";

const PREVIEW_COUNT = 20;

/** Edits both and saves them together. */
export function SinkRules({ sink, stream }: { readonly sink: Sink; readonly stream: Stream }) {
  const queries = useQueryClient();
  const [cel, setCel] = useState(() => celOf(sink.filter));
  const [fields, setFields] = useState(() => fieldsOf(sink.filter));
  const [columns, setColumns] = useState<ColumnInput[]>(() => readColumns(sink.mapping));
  const [preview, setPreview] = useState<PreviewSinkResponse>();
  const read = () => ({ mapping: readMapping(columns), filter: readFilter(cel, fields) });
  const submit = useSubmit(async () => {
    const { mapping, filter } = read();
    const changed = {
      name: sink.name,
      etag: sink.etag,
      ...(mapping && { mapping }),
      ...(filter && { filter }),
    };
    await sinks.updateSink({ sink: changed, updateMask: { paths: ["mapping", "filter"] } });
    await queries.invalidateQueries();
  });
  const show = async () => {
    setPreview(undefined);
    const { mapping, filter } = read();
    setPreview(
      await sinks.previewSink({
        parent: stream.name,
        sink: sink.name,
        count: PREVIEW_COUNT,
        ...(mapping && { mapping }),
        ...(filter && { filter }),
      }),
    );
  };
  return (
    <section className="card stack" aria-labelledby="rules-title">
      <h2 id="rules-title">Filter and mapping</h2>
      <Form
        submit={submit}
        label="Save filter and mapping"
        beside={<ActionButton label="Preview on the newest records" call={show} />}
      >
        <TextField
          label="Deliver only records with this CEL expression"
          optional
          placeholder="record.temperature > 20.0"
          value={cel}
          onChange={setCel}
          fault={faultAt(submit.faults, "sink.filter.cel")}
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
            fault={faultAt(submit.faults, "sink.filter.fields")}
          />
        )}
        <MappingRows columns={columns} onChange={setColumns} faults={submit.faults} />
      </Form>
      {preview && <PreviewTable preview={preview} />}
    </section>
  );
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
