/** The records that a replay selects, page by page in the order of the log. */
import { fromBinary } from "@bufbuild/protobuf";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { failFields } from "../../core/errors.ts";
import type { ReplayJob } from "../../core/replay-job.ts";
import { compileTransform, noTemplates } from "../../mapping/row-transform.ts";
import type { Place } from "../../sinks/sink.ts";
import type { LaneRow } from "../lane-row.ts";
import { comparePlaces, formatPlace } from "../place.ts";
import type { RangeReader } from "./record-range.ts";

/** Selected records, and where the next page begins. */
export interface SelectedPage {
  readonly rows: readonly LaneRow[];
  readonly next: Place;
}

/** What selecting needs. */
export interface SelectParts {
  readonly range: RangeReader;
  readonly schema: Schema;
  readonly signal: AbortSignal;
}

/** Reads on from a place to the end of the job. Fails with INVALID_FIELDS for a filter that is none. */
export async function* selectRows(
  job: ReplayJob,
  from: Place,
  { range, schema, signal }: SelectParts,
): AsyncGenerator<SelectedPage> {
  const passes = compileSelection(job, schema);
  const end = { sequence: job.last + 1, index: 0 };
  for (const part of rangesOf(job)) {
    for (let first = Math.max(part.first, from.sequence); first <= part.last; ) {
      signal.throwIfAborted();
      const page = await range.read({ log: job.log, first, last: part.last }, signal);
      const rows = page.messages
        .flatMap((message) => message.rows)
        .filter((row) => comparePlaces(row.place, from) >= 0 && passes(row));
      first = page.next;
      yield { rows, next: { sequence: first, index: 0 } };
    }
  }
  yield { rows: [], next: end };
}

/** Number of the selected records; when the deadline (`performance.now()` terms) passes, those so far. */
export async function countRows(
  job: ReplayJob,
  parts: SelectParts & { readonly deadlineMs: number },
): Promise<{ readonly count: number; readonly isExact: boolean }> {
  let count = 0;
  for await (const { rows } of selectRows(job, { sequence: 0, index: 0 }, parts)) {
    count += rows.length;
    if (performance.now() > parts.deadlineMs) return { count, isExact: false };
  }
  return { count, isExact: true };
}

/** The parts of the log that hold the records: that of each place, or the whole range. */
function rangesOf({ first, last, places }: ReplayJob): { first: number; last: number }[] {
  if (!places) return [{ first, last }];
  const sequences = [...new Set(places.map(({ sequence }) => sequence))].sort((a, b) => a - b);
  return sequences.map((sequence) => ({ first: sequence, last: sequence }));
}

function compileSelection(job: ReplayJob, schema: Schema): (row: LaneRow) => boolean {
  const wanted = job.places && new Set(job.places.map(formatPlace));
  const filter = job.filter
    ? fromBinary(FilterSchema, Buffer.from(job.filter, "base64"))
    : undefined;
  const transform = compileTransform({ filter }, schema, noTemplates);
  if (Array.isArray(transform)) {
    throw failFields(
      transform.map(({ field, description }) => ({ field: `selection.${field}`, description })),
    );
  }
  return (row) =>
    (!wanted || wanted.has(formatPlace(row.place))) && (!filter || transform.passes(row));
}
