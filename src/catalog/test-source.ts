/** What a source and the sinks behind it would make of a request (B12). Stores and sends nothing. */
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type TestSourceRequest,
  type TestSourceResponse_Outcome,
  TestSourceResponse_OutcomeSchema,
  TestSourceResponse_SinkRowSchema,
} from "#gen/tributary/management/v1/source_service_pb.js";
import { type Schema, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import type { MappedRecord } from "../mapping/record-view.ts";
import { compileTransform } from "../mapping/row-transform.ts";
import { mapAll } from "./preview-sink.ts";
import { listSinkRows } from "./sink-store.ts";
import { newestVersion, openSinkRows } from "./sink-view.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import { definitionFromRow, loadSource } from "./source-store.ts";
import { findStream } from "./stream-store.ts";

const OUTCOMES_MAX = 1_000;
/** Records that sinks' rows are made of. */
const MAPPED_MAX = 100;
const SINKS_MAX = 100;
/** Evaluating all rows may take this long. */
const MAP_MS = 20_000;
const NO_ID = "00000000-0000-7000-8000-000000000000";

/** Fails with RESOURCE_NOT_FOUND; what is wrong with the request is in the answer. */
export async function testSource(
  catalog: SourceCatalog,
  request: TestSourceRequest,
  callSignal: AbortSignal,
) {
  const { name, body, contentType, headers, address } = request;
  const { definition, schema, sinks } = await load(catalog, name);
  const tried = await catalog.desk.tryRequest(definition, { body, contentType, headers, address });
  const outcomes = tried.outcomes
    .slice(0, OUTCOMES_MAX)
    .map((outcome) => create(TestSourceResponse_OutcomeSchema, outcome));
  const signal = AbortSignal.any([callSignal, AbortSignal.timeout(MAP_MS)]);
  const taken = outcomes.filter(({ error }) => error === "").slice(0, MAPPED_MAX);
  const call = {
    address: address || "192.0.2.1",
    headers: Object.entries(headers).map(([key, value]) => ({ name: key.toLowerCase(), value })),
  };
  const records = taken.map(({ content }) => ({
    recordId: NO_ID,
    json: content,
    arrivalTimeUs: catalog.now() * 1_000,
    call,
  }));
  for (const sink of sinks) await addRows(catalog, { sink, schema, taken, records, signal });
  return { ok: tried.error === "", error: tried.error, outcomes };
}

async function load(catalog: SourceCatalog, name: string) {
  const { database, now } = catalog;
  const { saved, stream, rows } = await database.inProject(name, async (queries) => {
    const source = await loadSource(queries, name, new Date(now()));
    const found = await findStream(queries, streamOf(name) ?? "");
    if (!found) throw notFound(name);
    const page = { size: SINKS_MAX, after: undefined, list: "" };
    return { saved: source, stream: found, rows: await listSinkRows(queries, found.uid, page) };
  });
  const definition = definitionFromRow(saved.row, []);
  const opened = await openSinkRows(catalog, stream.name, rows);
  const branch = definition.source.branch || "main";
  return {
    definition,
    schema: fromBinary(SchemaSchema, stream.schema),
    sinks: opened.map((sink) => sink.definition).filter(({ log }) => log.branch === branch),
  };
}

interface RowsInput {
  readonly sink: SinkDefinition;
  readonly schema: Schema;
  readonly taken: readonly TestSourceResponse_Outcome[];
  readonly records: readonly MappedRecord[];
  readonly signal: AbortSignal;
}

async function addRows({ templates }: SourceCatalog, input: RowsInput): Promise<void> {
  const { sink, schema, taken, records, signal } = input;
  const transform = compileTransform(newestVersion(sink).sink, schema, templates);
  // It was sound when it was saved; a schema that changed since is the stream's matter.
  if (Array.isArray(transform)) return;
  const rows = await mapAll(transform, records, signal);
  rows.forEach((row, i) => {
    taken[i]?.rows.push(create(TestSourceResponse_SinkRowSchema, { sink: sink.name, row }));
  });
}
