/** What a replay selects, as a job: ids, times and open ends become places and sequences. */
import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import type { ReplaySelection } from "#gen/tributary/management/v1/replay_pb.js";
import { type FieldViolation, failFields } from "../core/errors.ts";
import type { LogReader } from "../core/log.ts";
import { placeOfRecordId, type RecordPlace } from "../core/record-id.ts";
import type { ReplayJob } from "../core/replay-job.ts";
import { compileFilter } from "../mapping/filters/filter.ts";

type Range = Pick<ReplayJob, "first" | "last" | "places">;

/** Fails with INVALID_FIELDS, all faults at once, and with LOG_UNAVAILABLE. */
export async function resolveSelection(
  logs: Pick<LogReader, "info" | "sequenceAt">,
  log: ReplayJob["log"],
  selection: ReplaySelection,
): Promise<Range & Pick<ReplayJob, "filter">> {
  const { filter, records } = selection;
  const compiled = filter && compileFilter(filter);
  if (Array.isArray(compiled)) {
    const below = ({ field, description }: FieldViolation) => ({
      field: field ? `selection.filter.${field}` : "selection.filter",
      description,
    });
    throw failFields(compiled.map(below));
  }
  const encoded = filter && Buffer.from(toBinary(FilterSchema, filter)).toString("base64");
  const range =
    records.case === "ids"
      ? rangeOfIds(log.uid, records.value.recordIds)
      : await rangeOf(logs, log, selection);
  return { ...range, ...(encoded !== undefined && { filter: encoded }) };
}

function rangeOfIds(logUid: string, ids: readonly string[]): Range {
  const violations: FieldViolation[] = [];
  const places = new Map<string, RecordPlace>();
  for (const [i, id] of ids.entries()) {
    const place = placeOfRecordId(logUid, id);
    if (place) places.set(id, { sequence: place.sequence, index: place.index });
    else {
      const description = "is not the id of a record of the sink's branch";
      violations.push({ field: `selection.ids.record_ids[${i}]`, description });
    }
  }
  if (violations.length > 0) throw failFields(violations.slice(0, 100));
  const ordered = [...places.values()].sort((a, b) => a.sequence - b.sequence || a.index - b.index);
  return { first: ordered[0]!.sequence, last: ordered.at(-1)!.sequence, places: ordered };
}

async function rangeOf(
  logs: Pick<LogReader, "info" | "sequenceAt">,
  log: ReplayJob["log"],
  { records }: ReplaySelection,
): Promise<Range> {
  const info = await logs.info(log);
  const newest = info.lastSequence;
  if (records.case === "times") {
    const { start, end } = records.value;
    if (start && end && timestampMs(start) >= timestampMs(end)) {
      const description = "must lie after selection.times.start";
      throw failFields([{ field: "selection.times.end", description }]);
    }
    const first = start ? await logs.sequenceAt(log, timestampMs(start)) : info.firstSequence;
    const after = end ? await logs.sequenceAt(log, timestampMs(end)) : newest + 1;
    return { first, last: Math.min(after - 1, newest) };
  }
  const sequences = records.case === "sequences" ? records.value : undefined;
  const [first, last] = [Number(sequences?.first ?? 0n), Number(sequences?.last ?? 0n)];
  if (last > 0 && first > last) {
    const description = "must not be below selection.sequences.first";
    throw failFields([{ field: "selection.sequences.last", description }]);
  }
  return {
    first: Math.max(first, info.firstSequence),
    last: last > 0 ? Math.min(last, newest) : newest,
  };
}
