/** Changes streams. Other keys or partitions end a generation of the log and begin the next one. */
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { UpdateStreamRequest } from "#gen/tributary/management/v1/stream_service_pb.js";
import { notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { expandPreset } from "../core/preset-schemas.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, checkEtag } from "./catalog.ts";
import { checkCreation } from "./creation-quota.ts";
import { logsOfStream } from "./log-store.ts";
import { archiveColumns, checkArchivePlace, tryArchive } from "./stream-archive.ts";
import { checkStream } from "./stream-check.ts";
import {
  findStream,
  listUnfinishedSeals,
  lockStream,
  noteSealing,
  type StreamRow,
  saveStream,
  streamFromRow,
  streamValues,
} from "./stream-store.ts";

const writable = [
  "display_name",
  "description",
  "schema",
  "schema_mode",
  "notify_emails",
  "key_fields",
  "throughput",
  "retention",
  "archive",
];

/** What takes longer than this has failed; a call waits at most 15 s for Postgres. */
const UNFINISHED_MS = 60_000;

/**
 * Fails with INVALID_FIELDS, ETAG_STALE, RESOURCE_NOT_FOUND, QUOTA_EXCEEDED, and with LOG_UNAVAILABLE
 * when the old generation cannot be sealed.
 */
export async function updateStream(
  catalog: Catalog,
  request: UpdateStreamRequest,
): Promise<Stream> {
  const name = request.stream?.name ?? "";
  const { database } = catalog;
  const before = await database.inProject(name, (queries) => findStream(queries, name));
  if (!before) throw notFound(name);
  const time = new Date(catalog.now());
  const planned = planUpdate(catalog, before, { request, time });
  await database.inProject(name, (queries) =>
    checkArchivePlace(queries, before.uid, planned.archive),
  );
  await tryArchive(catalog, before.uid, { wanted: planned, saved: before });
  const partitions = planned.partitions - before.partitions;
  if (partitions > 0) {
    const check = (queries: Queries) => checkCreation(queries, before, { partitions });
    await database.inProject(name, check);
  }
  if (planned.generation !== before.generation) {
    // On its own, so that it outlasts a transaction that fails after the seal.
    await database.inProject(name, (queries) => noteSealing(queries, before.uid, time));
  }
  const row = await database.inProject(name, async (queries) => {
    const current = await lockStream(queries, name);
    if (!current) throw notFound(name);
    const values = planUpdate(catalog, current, { request, time });
    await checkArchivePlace(queries, current.uid, values.archive);
    return await publish(catalog, queries, { current, values });
  });
  await catalog.refresh();
  return streamFromRow(row);
}

/**
 * Opens a generation where one was sealed but the next never published, because Postgres or the
 * process died between the two. Meanwhile such a stream refuses pushes. To be called every minute.
 */
export async function finishSeals(catalog: Catalog): Promise<void> {
  const { database, logger } = catalog;
  const before = new Date(catalog.now() - UNFINISHED_MS);
  const names = await database.acrossProjects((queries) => listUnfinishedSeals(queries, before));
  for (const name of names) {
    await database.inProject(name, async (queries) => {
      const current = await lockStream(queries, name);
      if (!current?.sealingTime || current.sealingTime >= before) return;
      const updateTime = new Date(catalog.now());
      const { generation, version } = current;
      const values = { generation: generation + 1, version: version + 1, updateTime };
      await publish(catalog, queries, { current, values });
    });
    logger.warn("a change of generation was left unfinished; a new one is open", { stream: name });
  }
  if (names.length > 0) await catalog.refresh();
}

/** The row as the request wants it. */
function planUpdate(
  catalog: Catalog,
  row: StreamRow,
  { request, time: updateTime }: { readonly request: UpdateStreamRequest; readonly time: Date },
) {
  const { stream: changed, updateMask: mask } = request;
  if (!changed) throw notFound(row.name);
  checkEtag(changed.etag, row);
  const current = streamFromRow(row);
  const wanted = applyFieldMask(StreamSchema, { current, changed, mask, writable });
  if (wanted.schema) wanted.schema = expandPreset(wanted.schema);
  checkStream(wanted);
  const values = streamValues(wanted);
  const isOtherSchema = !Buffer.from(values.schema).equals(row.schema);
  const isOtherOrder =
    values.partitions !== row.partitions || values.keyFields.join() !== row.keyFields.join();
  return {
    ...values,
    ...archiveColumns(catalog, wanted.archive, row),
    schemaVersion: row.schemaVersion + (isOtherSchema ? 1 : 0),
    generation: row.generation + (isOtherOrder ? 1 : 0),
    version: row.version + 1,
    updateTime,
  };
}

/** Saves the row; another generation seals the current one first, on all logs. */
async function publish(
  catalog: Catalog,
  queries: Queries,
  { current, values }: { readonly current: StreamRow; readonly values: Partial<StreamRow> },
): Promise<StreamRow> {
  const row = { ...current, ...values, sealingTime: null };
  await saveStream(queries, current, { ...values, sealingTime: null });
  if (row.generation !== current.generation) {
    for (const log of await logsOfStream(queries, row.uid)) {
      await catalog.sealGeneration(log, current.generation);
    }
  }
  return row;
}
