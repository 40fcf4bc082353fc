/** Going back to an earlier definition: an update like any other. */
import { create, equals, fromBinary } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { UpdateSourceRequestSchema } from "#gen/tributary/management/v1/source_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { UpdateStreamRequestSchema } from "#gen/tributary/management/v1/stream_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { checkSink, tryDestination } from "./sink-check.ts";
import { requireOwnership } from "./sink-ownership.ts";
import { loadSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import { updateSource } from "./source-service.ts";
import { findStream } from "./stream-store.ts";
import { saveVersion } from "./update-sink.ts";
import { updateStream } from "./update-stream.ts";
import type { VersionRow } from "./version-store.ts";
import { sinkOfVersion, sourceOfVersion, streamOfVersion } from "./version-view.ts";

/** Everything that callers may set. */
const ALL = create(FieldMaskSchema, { paths: ["*"] });

/** Gives the secret that a source got by it; empty for none. Fails as the updates do. */
export async function restoreVersion(
  catalog: SourceCatalog & Parameters<typeof saveVersion>[0],
  row: VersionRow,
  signal: AbortSignal,
): Promise<string> {
  if (row.sealed) {
    await restoreSink(catalog, row, signal);
    return "";
  }
  if ("source" in row.definition) {
    const source = sourceOfVersion(row);
    // What was settled at creation may be left out.
    Object.assign(source, { mode: 0, branch: "", publicId: "" });
    return await updateSource(
      catalog,
      create(UpdateSourceRequestSchema, { source, updateMask: ALL }),
    );
  }
  const stream = streamOfVersion(row);
  await updateStream(catalog, create(UpdateStreamRequestSchema, { stream, updateMask: ALL }));
  return "";
}

async function restoreSink(
  catalog: Parameters<typeof saveVersion>[0],
  row: VersionRow,
  signal: AbortSignal,
): Promise<void> {
  const { database, masterKey } = catalog;
  const wanted = sinkOfVersion(row, masterKey);
  const { saved, stream } = await database.inProject(row.name, async (queries) => {
    const found = await loadSink(queries, masterKey, row.name);
    return { saved: found, stream: await findStream(queries, found.definition.streamName) };
  });
  if (!stream || saved.row.uid !== row.resourceUid) throw notFound(row.name);
  const current = newestVersion(saved.definition).sink;
  if (wanted.config.case !== current.config.case) {
    throw fail("WRONG_STATE", `${row.name} is of another kind now`);
  }
  const { schema, config } = checkSink(catalog, wanted, fromBinary(SchemaSchema, stream.schema));
  const { log } = saved.definition;
  const logName = `${stream.name}/branches/${log.branch}`;
  const identity = { sinkUid: saved.row.uid, sinkName: row.name, logName, logUid: log.uid, schema };
  const of = ({ config: each, mapping }: typeof wanted) =>
    create(SinkSchema, { config: each, ...(mapping && { mapping }) });
  if (!equals(SinkSchema, of(wanted), of(current))) {
    await requireOwnership(catalog, config, { identity, signal });
    await tryDestination(catalog, config, { identity, signal });
  }
  await saveVersion(catalog, saved, { sink: wanted });
}
