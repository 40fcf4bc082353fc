/** "Why did my record not arrive?" (N08): one record from its push to every sink. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { TraceRecordRequest } from "#gen/tributary/management/v1/delivery_service_pb.js";
import {
  RecordPushSchema,
  type RecordTrace,
  RecordTraceSchema,
} from "#gen/tributary/management/v1/trace_pb.js";
import type { LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import { placeOfRecordId } from "../core/record-id.ts";
import { readRecord, type StoredRecord } from "./stored-records.ts";
import { type TraceParts, traceSink } from "./trace-sink.ts";

const INDEX_MAX = 100_000;

/** A record that an id names. */
interface Found {
  readonly log: LogDefinition;
  readonly place: { readonly sequence: number; readonly index: number };
  readonly arrivalTimeMs: number;
  readonly record: StoredRecord | undefined;
}

/** Fails with RESOURCE_NOT_FOUND and LOG_UNAVAILABLE. */
export async function traceRecord(
  parts: TraceParts,
  { stream: name, recordId }: TraceRecordRequest,
): Promise<RecordTrace> {
  const stream = parts.definitions.stream(name);
  if (!stream) throw notFound(name);
  const found = await findRecord(parts, stream, recordId.toLowerCase());
  if (!found) throw notFound(`${name}/records/${recordId}`);
  const { log, place, arrivalTimeMs, record } = found;
  const sinks = parts.definitions.sinksOfLog(log.uid);
  const traces = await Promise.all(
    sinks.map((sink) => traceSink(parts, { sink, stream, place, record })),
  );
  return create(RecordTraceSchema, {
    recordId: recordId.toLowerCase(),
    branch: `${name}/branches/${log.branch}`,
    place: `${place.sequence}-${place.index}`,
    arrivalTime: timestampFromMs(arrivalTimeMs),
    stored: record !== undefined,
    ...(record && { push: pushOf(stream, record), record: Buffer.from(record.json).toString() }),
    sinks: traces,
  });
}

/** The log that holds the record; or, when none does any more, the only one that can have held it. */
async function findRecord(
  { reader }: TraceParts,
  stream: StreamDefinition,
  id: string,
): Promise<Found | undefined> {
  let gone: Found | undefined;
  for (const log of stream.logs.values()) {
    const known = placeOfRecordId(log.uid, id);
    if (!known) return undefined;
    // An id of another log means a place that hardly ever is one here.
    const { arrivalTimeMs, ...place } = known;
    const info = await reader.info(log);
    if (place.sequence > info.shardLastSequence || place.index > INDEX_MAX) continue;
    const record = await readRecord(reader, log, place);
    if (record?.recordId === id) return { log, place, arrivalTimeMs, record };
    if (place.sequence < info.firstSequence)
      gone = { log, place, arrivalTimeMs, record: undefined };
  }
  return gone;
}

function pushOf(stream: StreamDefinition, record: StoredRecord) {
  const { source, authentication, address, contentType, traceContext } = record.call;
  return create(RecordPushSchema, {
    ...{ source, authentication, address, contentType, traceContext },
    producerId: record.producerId,
    schemaVersion: BigInt(record.schemaVersion),
    newestSchemaVersion: BigInt(stream.schemaVersion),
    partition: record.partition,
    generation: BigInt(record.generation),
  });
}
