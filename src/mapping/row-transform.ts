/** What a sink does to records before they are sent: its filter, then its mapping. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { clone } from "@bufbuild/protobuf";
import type { Filter } from "#gen/tributary/management/v1/filter_pb.js";
import type { Mapping } from "#gen/tributary/management/v1/mapping_pb.js";
import { type Schema, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../core/errors.ts";
import type { BodyReader } from "./body.ts";
import { compileFilter } from "./filters/filter.ts";
import { compileMapping, type MappingFault, type TemplateResult } from "./mapping.ts";
import type { PathSet } from "./path-set.ts";
import { type MappedRecord, RecordView } from "./record-view.ts";
import type { TemplateInput } from "./templates/template-functions.ts";

/** Evaluates the templates of one mapping, away from the event loop. */
export interface TemplateSet {
  /** For each record what each template made of it. Rejects when the signal says so. */
  run(
    inputs: readonly TemplateInput[],
    signal: AbortSignal,
  ): Promise<readonly (readonly TemplateResult[])[]>;
}

/** Makes template sets; a fault is `line:column: what is wrong`. */
export interface TemplateCompiler {
  compile(sources: readonly string[]): TemplateSet | readonly { index: number; fault: string }[];
}

/** The part of a sink that transforms records. */
export interface TransformDefinition {
  readonly mapping?: Mapping | undefined;
  readonly filter?: Filter | undefined;
}

/** A filter and mapping that are ready to be used. */
export interface RowTransform {
  /** What rows look like: the schema of the stream, or that of the mapping. */
  readonly schema: Schema;
  /** Columns of the primary key that the mapping names. */
  readonly primaryKey: readonly string[];
  /** Whether a record is delivered. */
  passes(record: MappedRecord): boolean;
  /** Rows of records, in order; undefined without a mapping. */
  readonly map:
    | ((
        records: readonly MappedRecord[],
        signal: AbortSignal,
      ) => Promise<(Uint8Array | MappingFault)[]>)
    | undefined;
}

/** Records and bytes after which mapping yields, so that pushes in the same process do not wait. */
const SLICE_ROWS = 500;
const SLICE_BYTES = 128 * 1024;

/** Compiles what a sink does to records; gives all faults at once, by paths below the sink. */
export function compileTransform(
  { mapping, filter }: TransformDefinition,
  schema: Schema,
  templates: TemplateCompiler,
): RowTransform | FieldViolation[] {
  const compiledFilter = filter && compileFilter(filter);
  const compiledMapping = mapping && compileMapping(mapping, schema);
  const sources =
    compiledMapping && !Array.isArray(compiledMapping) ? compiledMapping.templates : [];
  const set = sources.length > 0 ? templates.compile(sources) : undefined;
  const violations = [
    ...faultsBelow("filter", compiledFilter),
    ...faultsBelow("mapping", compiledMapping),
    ...(isFaultList(set) ? templateFaults(mapping!, set) : []),
  ];
  if (violations.length > 0 || isFaultList(set)) return violations;
  const ready = Array.isArray(compiledMapping) ? undefined : compiledMapping;
  const test = Array.isArray(compiledFilter) ? undefined : compiledFilter;
  return {
    schema: ready ? withCapture(ready.schema, schema) : schema,
    primaryKey: ready?.primaryKey ?? [],
    passes: (record) => test?.passes(viewForFilter(record, test.fields)) ?? true,
    map: mapperOf(ready, set),
  };
}

/** Rows of changes are changes too: a destination checks that the columns it needs are there. */
function withCapture(rows: Schema, { changeDataCapture }: Schema): Schema {
  if (!changeDataCapture) return rows;
  return Object.assign(clone(SchemaSchema, rows), { changeDataCapture });
}

function viewForFilter(record: MappedRecord, fields: PathSet): RecordView {
  return new RecordView(record, { fields, paths: fields, bodyOf: WHOLE });
}

const WHOLE: BodyReader = (text) => ({ text, json: text });

function faultsBelow(prefix: string, found: unknown): FieldViolation[] {
  if (!Array.isArray(found)) return [];
  return (found as FieldViolation[]).map(({ field, description }) => ({
    field: field ? `${prefix}.${field}` : prefix,
    description,
  }));
}

type TemplateFaults = readonly { readonly index: number; readonly fault: string }[];

function isFaultList(set: TemplateSet | TemplateFaults | undefined): set is TemplateFaults {
  return Array.isArray(set);
}

function templateFaults(mapping: Mapping, faults: TemplateFaults): FieldViolation[] {
  const columns = mapping.columns.flatMap(({ value }, i) => (value.case === "template" ? [i] : []));
  return faults.map(({ index, fault }) => ({
    field: `mapping.columns[${columns[index]}].template.content`,
    description: fault,
  }));
}

function mapperOf(mapper: Mapper | undefined, set: TemplateSet | undefined): RowTransform["map"] {
  if (!mapper) return undefined;
  return (records, signal) => mapAll(mapper, set, { records, signal });
}

type Mapper = Exclude<ReturnType<typeof compileMapping>, FieldViolation[]>;

async function mapAll(
  mapper: Mapper,
  templates: TemplateSet | undefined,
  { records, signal }: { readonly records: readonly MappedRecord[]; readonly signal: AbortSignal },
): Promise<(Uint8Array | MappingFault)[]> {
  const views = records.map(mapper.viewOf);
  const made = await templates?.run(views.map(mapper.inputOf), signal);
  const rows: (Uint8Array | MappingFault)[] = [];
  let bytes = 0;
  for (const [i, view] of views.entries()) {
    rows.push(mapper.map(view, made?.[i] ?? NONE));
    bytes += view.record.json.byteLength;
    if (bytes < SLICE_BYTES && i % SLICE_ROWS !== SLICE_ROWS - 1) continue;
    bytes = 0;
    await nextTurn();
    signal.throwIfAborted();
  }
  return rows;
}

const NONE: readonly TemplateResult[] = [];

/** For processes without templates, and until they are there: every template is a fault. */
export const noTemplates: TemplateCompiler = {
  compile: (sources) =>
    sources.map((_, index) => ({ index, fault: "templates are not available" })),
};
