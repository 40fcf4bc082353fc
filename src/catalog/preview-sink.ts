/** What an unsaved mapping and filter would make of real records (N09). Stores and sends nothing. */
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type PreviewedRow,
  PreviewedRow_Outcome,
  PreviewedRowSchema,
  type PreviewSinkRequest,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { type Schema, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { JsonFault } from "../core/json-fault.ts";
import { faultHere, peekSpaced, scanValue } from "../core/json-scan.ts";
import { compileSchema } from "../core/schema-check.ts";
import { checkSchemaDefinition } from "../core/schema-definition.ts";
import { recordScan } from "../core/schema-scan.ts";
import { MappingFault } from "../mapping/mapping.ts";
import type { MappedRecord } from "../mapping/record-view.ts";
import { compileTransform, type RowTransform } from "../mapping/row-transform.ts";
import { findReadyBranch } from "./log-store.ts";
import { type NewestRecord, readNewest } from "./newest-records.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { findStream } from "./stream-store.ts";

const COUNT_DEFAULT = 100;
/** Evaluating all rows may take this long. */
const PREVIEW_MS = 20_000;

/** Fails with INVALID_FIELDS, RESOURCE_NOT_FOUND or LOG_UNAVAILABLE. */
export async function previewSink(
  catalog: SinkCatalog,
  request: PreviewSinkRequest,
  callSignal: AbortSignal,
) {
  const { schema: current, log, saved } = await load(catalog, request);
  const schema = request.schema ? requireSchema(request.schema) : current;
  const signal = AbortSignal.any([callSignal, AbortSignal.timeout(PREVIEW_MS)]);
  const transform = compile(catalog, request, schema);
  const before = saved && compile(catalog, saved, current);
  const records: readonly NewestRecord[] =
    request.records.length > 0
      ? request.records.map((text, i) => givenRecord(text, i, catalog.now()))
      : await readNewest(catalog.logs, log, { count: request.count || COUNT_DEFAULT, signal });
  const mapped = await mapAll(transform, records, signal);
  const rows = request.schema ? withRefusals(mapped, records, schema) : mapped;
  const savedRows = before && (await mapAll(before, records, signal));
  const isChanged = (row: PreviewedRow, i: number) => !isSame(row, savedRows![i]!);
  return {
    schema: transform.schema,
    changedCount: savedRows ? rows.filter(isChanged).length : 0,
    records: records.map(({ place, recordId, json }, i) => ({
      recordId: place ? recordId : "",
      place: place ? `${place.sequence}-${place.index}` : "",
      json: Buffer.from(json).toString(),
      row: rows[i]!,
      ...(savedRows && { savedRow: savedRows[i]! }),
    })),
  };
}

async function load({ database, masterKey }: SinkCatalog, request: PreviewSinkRequest) {
  const { parent, sink: name } = request;
  return await database.inProject(parent, async (queries) => {
    const stream = await findStream(queries, parent);
    if (!stream) throw notFound(parent);
    if (name !== "" && !name.startsWith(`${parent}/sinks/`)) throw notFound(name);
    const saved = name === "" ? undefined : await loadSink(queries, masterKey, name);
    const id = request.branch || saved?.definition.log.branch || "main";
    const branch = await findReadyBranch(queries, `${parent}/branches/${id}`);
    if (!branch) throw notFound(`${parent}/branches/${id}`);
    return {
      schema: fromBinary(SchemaSchema, stream.schema),
      log: { shard: branch.shard, uid: branch.uid },
      saved: saved && newestVersion(saved.definition).sink,
    };
  });
}

/** The same checks as when it is saved. */
function requireSchema(schema: Schema): Schema {
  const violations = checkSchemaDefinition(schema, []);
  if (violations.length === 0) return schema;
  throw failFields(
    violations.map(({ field, description }) => ({
      field: field.replace(/^stream\./, ""),
      description,
    })),
  );
}

/** Records that a schema refuses have no row. */
function withRefusals(
  rows: readonly PreviewedRow[],
  records: readonly MappedRecord[],
  schema: Schema,
): PreviewedRow[] {
  const check = compileSchema(schema);
  return rows.map((row, i) => {
    const scan = recordScan(records[i]!.json);
    check(scan);
    const [fault] = scan.faults;
    if (!fault) return row;
    const error = `${fault.path} ${fault.description}`.trim();
    return previewed(PreviewedRow_Outcome.REFUSED, { error });
  });
}

function compile(
  { templates }: SinkCatalog,
  definition: Parameters<typeof compileTransform>[0],
  schema: Schema,
): RowTransform {
  const transform = compileTransform(definition, schema, templates);
  if (Array.isArray(transform)) throw failFields(transform);
  return transform;
}

/** A record that was given: it must be JSON, and need not fit the schema. */
function givenRecord(text: string, i: number, nowMs: number): NewestRecord {
  const json = Buffer.from(text);
  try {
    const scan = recordScan(json);
    peekSpaced(scan);
    scanValue(scan, 1);
    if (peekSpaced(scan) !== -1) throw faultHere(scan, "the end of the record");
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw failFields([{ field: `records[${i}]`, description: error.message }]);
  }
  return {
    place: undefined,
    recordId: "00000000-0000-7000-8000-000000000000",
    json,
    arrivalTimeUs: nowMs * 1_000,
    call: { address: "192.0.2.1", headers: [] },
  };
}

/** What a sink's filter and mapping make of records, in their order. */
export async function mapAll(
  { passes, map }: RowTransform,
  records: readonly MappedRecord[],
  signal: AbortSignal,
): Promise<PreviewedRow[]> {
  const verdicts = records.map((record) => passes(record));
  const passing = records.filter((_, i) => verdicts[i]);
  const made = map ? await map(passing, signal) : passing.map(({ json }) => json);
  let at = 0;
  return verdicts.map((isPassing) =>
    isPassing ? rowOf(made[at++]!) : previewed(PreviewedRow_Outcome.FILTERED),
  );
}

function rowOf(row: Uint8Array | MappingFault): PreviewedRow {
  if (!(row instanceof MappingFault)) {
    return previewed(PreviewedRow_Outcome.SENT, { json: Buffer.from(row).toString() });
  }
  return previewed(PreviewedRow_Outcome.HELD, { error: row.text });
}

function previewed(outcome: PreviewedRow_Outcome, more: { json?: string; error?: string } = {}) {
  return create(PreviewedRowSchema, { outcome, ...more });
}

/** Whether two rows come to the same. */
export function isSame(a: PreviewedRow, b: PreviewedRow): boolean {
  return a.outcome === b.outcome && a.json === b.json && a.error === b.error;
}
