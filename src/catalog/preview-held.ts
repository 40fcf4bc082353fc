/** What a replay of held records would send, beside what failed. Sends nothing. */
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  PreviewedRow_Outcome as Outcome,
  type PreviewedHeldRecord,
  PreviewedHeldRecordSchema,
  type PreviewedRow,
  type PreviewHeldRecordsRequest,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { failFields, notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import { compileTransform, type RowTransform } from "../mapping/row-transform.ts";
import type { Place } from "../sinks/sink.ts";
import { isSame, mapAll } from "./preview-sink.ts";
import type { HeldLook, SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { findStream } from "./stream-store.ts";

const COUNT_DEFAULT = 20;
/** Evaluating all rows may take this long. */
const PREVIEW_MS = 20_000;

/** Fails with RESOURCE_NOT_FOUND, INVALID_FIELDS for a mapping that makes no sense, and LOG_UNAVAILABLE. */
export async function previewHeld(
  catalog: SinkCatalog,
  input: {
    readonly request: PreviewHeldRecordsRequest;
    readonly places: readonly Place[];
    readonly signal: AbortSignal;
  },
) {
  const { request } = input;
  const { sink, schema } = await load(catalog, request.name);
  const newest = newestVersion(sink);
  const compile = (definition: Parameters<typeof compileTransform>[0]) =>
    compileTransform(definition, schema, catalog.templates);
  const mapping = request.mapping ?? newest.sink.mapping;
  // A replay asks no filter.
  const after = compile({ mapping });
  if (Array.isArray(after)) throw failFields(after);
  const looks = await lookAt(catalog, sink, input);
  const signal = AbortSignal.any([input.signal, AbortSignal.timeout(PREVIEW_MS)]);
  const made = await rowsOf(after, looks, signal);
  const records: PreviewedHeldRecord[] = [];
  for (const [i, look] of looks.entries()) {
    const failed = sink.versions.find((v) => BigInt(v.version) === look.record.sinkVersion);
    const transform = failed && compile({ mapping: failed.sink.mapping });
    const known = transform && !Array.isArray(transform) ? transform : undefined;
    const before = known && (await rowsOf(known, [look], signal))[0];
    records.push(
      create(PreviewedHeldRecordSchema, {
        record: { ...look.record, json: new Uint8Array() },
        input: Buffer.from(look.record.json).toString(),
        ...(before && { before }),
        after: made[i]!,
        changed: before === undefined || !isSame(before, made[i]!),
        sinkVersion: BigInt(newest.version),
      }),
    );
  }
  const count = (test: (record: PreviewedHeldRecord) => boolean) => records.filter(test).length;
  return {
    records,
    sentCount: count(({ after: row }) => row?.outcome === Outcome.SENT),
    heldCount: count(({ after: row }) => row?.outcome === Outcome.HELD),
    changedCount: count(({ changed }) => changed),
  };
}

async function load({ database, masterKey }: SinkCatalog, name: string) {
  return await database.inProject(name, async (queries) => {
    const { definition: sink } = await loadSink(queries, masterKey, name);
    const stream = await findStream(queries, streamOf(name) ?? "");
    if (!stream) throw notFound(name);
    return { sink, schema: fromBinary(SchemaSchema, stream.schema) };
  });
}

async function lookAt(
  { held }: SinkCatalog,
  sink: SinkDefinition,
  { request, places }: Parameters<typeof previewHeld>[1],
): Promise<readonly HeldLook[]> {
  const { reason, count } = request;
  if (places.length > 0) {
    const looks = await held.read(sink, places);
    return looks.filter(({ record }) => reason === "" || record.reason === reason);
  }
  const page = { pageSize: count || COUNT_DEFAULT, pageToken: "", reason };
  const { heldRecords } = await held.list(sink, page);
  return await held.read(
    sink,
    heldRecords.map(({ place }) => placeOf(place)),
  );
}

function placeOf(text: string): Place {
  const [sequence = 0, index = 0] = text.split("-").map(Number);
  return { sequence, index };
}

async function rowsOf(
  transform: RowTransform,
  looks: readonly HeldLook[],
  signal: AbortSignal,
): Promise<PreviewedRow[]> {
  return await mapAll(
    transform,
    looks.map(({ mapped }) => mapped),
    signal,
  );
}
