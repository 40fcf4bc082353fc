/** The filter and mapping of one version of a sink, compiled when first needed. */
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { MappingFault } from "../mapping/mapping.ts";
import type { MappedRecord } from "../mapping/record-view.ts";
import {
  compileTransform,
  type RowTransform,
  type TemplateCompiler,
} from "../mapping/row-transform.ts";
import type { RejectedPlace, RowOutcome, SinkRow } from "../sinks/sink.ts";
import { SinkFault } from "../sinks/sink-fault.ts";
import { pushedBytes } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";

/** The newest schema of a stream; undefined when the stream is gone. */
export type SchemaSource = () => Schema | undefined;

/** What came of a row of a request: by the destination, or before it was sent. */
export type PreparedOutcome = RowOutcome | { readonly kind: "filtered" };

/** Rows of a request that are ready to be sent. */
export interface PreparedRows {
  /** What is sent, in order. */
  readonly rows: readonly SinkRow[];
  /** How many the filter leaves out. */
  readonly filtered: number;
  /** Their bytes, as they were pushed. */
  readonly filteredBytes: number;
  /** Rows that cannot be mapped. */
  readonly rejects: readonly RejectedPlace[];
  /** Outcomes for all rows of the request, from those of the rows that were sent. */
  merge(outcomes: readonly RowOutcome[]): readonly PreparedOutcome[];
}

/** The transform of a version. */
export interface PlanTransform {
  /** Whether the filter lets a record pass. What cannot be compiled lets all pass, and `prepare` says why. */
  passes(record: MappedRecord): boolean;
  /** Filters and maps the rows of a request. Fails with SinkFault MAPPING_INVALID. */
  prepare(rows: readonly LaneRow[], signal: AbortSignal): Promise<PreparedRows>;
  /** Maps rows that are delivered by request: the filter is not asked. */
  prepareReplay(rows: readonly LaneRow[], signal: AbortSignal): Promise<PreparedRows>;
  /** The compiled transform for the schema of now. Fails with SinkFault MAPPING_INVALID. */
  compiled(): RowTransform;
}

const FILTERED = { kind: "filtered" } as const;
/** Neither filter nor mapping: all rows are sent as they are. */
const ALL_SENT: Omit<PreparedRows, "rows"> = {
  filtered: 0,
  filteredBytes: 0,
  rejects: [],
  merge: (outcomes) => outcomes,
};

/** Makes the transform of a version; nothing is compiled yet. */
export function createPlanTransform(
  sink: Sink,
  schema: SchemaSource,
  templates: TemplateCompiler,
): PlanTransform {
  const compiled = compileOnce(sink, schema, templates);
  const isPlain = !sink.mapping && !sink.filter;
  return {
    compiled,
    passes(record) {
      if (!sink.filter) return true;
      try {
        return compiled().passes(record);
      } catch {
        return true;
      }
    },
    async prepare(rows, signal) {
      if (isPlain) return { ...ALL_SENT, rows };
      const { passes } = compiled();
      const verdicts = rows.map((row) => !sink.filter || passes(row));
      return await mapRows(compiled(), rows, { verdicts, signal });
    },
    prepareReplay: (rows, signal) =>
      mapRows(compiled(), rows, { verdicts: rows.map(() => true), signal }),
  };
}

function compileOnce(sink: Sink, schema: SchemaSource, templates: TemplateCompiler) {
  let last: { readonly schema: Schema; readonly transform: RowTransform } | undefined;
  return () => {
    const now = schema();
    if (!now) throw new SinkFault("STREAM_GONE", "the stream of the sink is gone");
    if (last?.schema === now) return last.transform;
    const transform = compileTransform(sink, now, templates);
    if (Array.isArray(transform)) {
      const [fault] = transform;
      throw new SinkFault("MAPPING_INVALID", `${fault!.field} ${fault!.description}`);
    }
    last = { schema: now, transform };
    return transform;
  };
}

async function mapRows(
  { map }: RowTransform,
  rows: readonly LaneRow[],
  { verdicts, signal }: { readonly verdicts: readonly boolean[]; readonly signal: AbortSignal },
): Promise<PreparedRows> {
  const passing = rows.filter((_, i) => verdicts[i]);
  const made = map ? await map(passing, signal) : undefined;
  const sent: SinkRow[] = [];
  const rejects: RejectedPlace[] = [];
  let at = 0;
  // What is left open is for the destination to say.
  const known = rows.map((row, i): PreparedOutcome | undefined => {
    if (!verdicts[i]) return FILTERED;
    const result = made?.[at++];
    if (!(result instanceof MappingFault)) {
      sent.push(result ? mappedRow(row, result) : row);
      return undefined;
    }
    const reject = { reason: "MAPPING_FAILED", why: result.text };
    rejects.push({ place: row.place, ...reject });
    return { kind: "reject", ...reject };
  });
  const filtered = rows.length - sent.length - rejects.length;
  return {
    rows: sent,
    filtered,
    filteredBytes: filtered > 0 ? pushedBytes(rows.filter((_, i) => !verdicts[i])) : 0,
    rejects,
    merge(outcomes) {
      let next = 0;
      return known.map((outcome) => outcome ?? outcomes[next++]!);
    },
  };
}

function mappedRow(row: LaneRow, json: Uint8Array): SinkRow {
  const { place, recordId, arrivalTimeUs, producerId, schemaVersion, keyHash, headers } = row;
  const facts = { place, recordId, arrivalTimeUs, producerId, schemaVersion, keyHash, headers };
  return { ...facts, json, stored: row };
}
