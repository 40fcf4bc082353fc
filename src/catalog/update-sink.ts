/** Changes sinks: each change is a new version that applies from a sequence on. */
import { clone, create, equals, fromBinary } from "@bufbuild/protobuf";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { UpdateSinkRequest } from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldViolation, failFields, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { checkEtag, etagOf } from "./catalog.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { checkSink, checkSpill, type SinkShape, tryDestination } from "./sink-check.ts";
import { refuseCircle } from "./sink-circle.ts";
import { checkChange, keepSecrets, maskConfig } from "./sink-kind.ts";
import { requireOwnership } from "./sink-ownership.ts";
import {
  insertSinkVersion,
  loadSink,
  lockSink,
  type SavedSink,
  updateSinkRow,
} from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { findStream, type StreamRow } from "./stream-store.ts";

const writable = [
  "display_name",
  "description",
  "postgres",
  "webhook",
  "file",
  "stream",
  "sqs",
  "kinesis",
  "tributary",
  "firehose",
  "kafka",
  "nats",
  "s3",
  "batching",
  "retry",
  "mapping",
  "filter",
  "on_record_failure",
  "when_full",
  "pace",
  "lag_warning",
];

/**
 * Saves a new version. A changed destination is tried first, and a changed URL is to be proven the
 * caller's own. Fails with INVALID_FIELDS, OWNERSHIP_UNPROVEN, DESTINATION_REFUSED, ETAG_STALE (also when another change overtook this one), RESOURCE_NOT_FOUND.
 */
export async function updateSink(
  catalog: SinkCatalog,
  request: UpdateSinkRequest,
  signal: AbortSignal,
): Promise<SavedSink> {
  return await saveUpdate(catalog, await checkUpdate(catalog, request), signal);
}

/** A change that was checked, and is not saved yet. */
export interface CheckedUpdate {
  readonly saved: SavedSink;
  readonly stream: StreamRow;
  /** The definition after the change, with its secrets. */
  readonly wanted: Sink;
  readonly shape: SinkShape;
  /** Whether the sink is like that already. */
  readonly isUnchanged: boolean;
  /** First sequence that it applies to; 0 for the next one. */
  readonly fromSequence: number;
}

/** Checks a change, its destination aside. Fails with INVALID_FIELDS, ETAG_STALE or RESOURCE_NOT_FOUND. */
export async function checkUpdate(
  catalog: SinkCatalog,
  { sink: changed, updateMask: mask, fromSequence: from }: UpdateSinkRequest,
): Promise<CheckedUpdate> {
  const name = changed?.name ?? "";
  const { saved, stream } = await load(catalog, name);
  if (!changed) throw notFound(name);
  checkEtag(changed.etag, saved.row);
  const current = newestVersion(saved.definition).sink;
  checkFixed(changed, saved);
  // Secrets come back by the driver's rule alone: they must not travel to another destination.
  const masked = Object.assign(clone(SinkSchema, current), {
    config: maskConfig(catalog.drivers, current.config),
  });
  const wanted = applyFieldMask(SinkSchema, { current: masked, changed, mask, writable });
  if (wanted.config.case !== current.config.case) {
    const description = `cannot be changed: the sink is of the kind ${current.config.case}`;
    throw failFields([{ field: `sink.${wanted.config.case ?? "config"}`, description }]);
  }
  wanted.config = keepSecrets(catalog.drivers, wanted.config, current.config);
  const changes = checkChange(catalog.drivers, wanted.config, current.config);
  if (changes.length > 0) throw failFields(changes);
  checkSpill(wanted, stream);
  const shape = checkSink(catalog, wanted, fromBinary(SchemaSchema, stream.schema));
  const isUnchanged = equals(SinkSchema, wanted, current);
  return { saved, stream, wanted, shape, isUnchanged, fromSequence: Number(from) };
}

/** Tries the destination where it changed, and saves the new version. */
export async function saveUpdate(
  catalog: SinkCatalog,
  { saved, stream, wanted, shape: { schema, config }, fromSequence }: CheckedUpdate,
  signal: AbortSignal,
): Promise<SavedSink> {
  const name = saved.row.name;
  const current = newestVersion(saved.definition).sink;
  if (!equals(SinkSchema, destinationOf(wanted), destinationOf(current))) {
    const { log } = saved.definition;
    const logName = `${stream.name}/branches/${log.branch}`;
    const identity = { sinkUid: saved.row.uid, sinkName: name, logName, logUid: log.uid, schema };
    if (urlOf(wanted) !== urlOf(current)) {
      await requireOwnership(catalog, config, { identity, signal });
    }
    await tryDestination(catalog, config, { identity, signal });
  }
  return await saveVersion(catalog, saved, { sink: wanted, from: fromSequence });
}

async function load(
  { database, masterKey }: SinkCatalog,
  name: string,
): Promise<{ saved: SavedSink; stream: StreamRow }> {
  return await database.inProject(name, async (queries) => {
    const saved = await loadSink(queries, masterKey, name);
    const stream = await findStream(queries, saved.definition.streamName);
    if (!stream) throw notFound(name);
    return { saved, stream };
  });
}

/** What was settled at creation may be given back as it is, and not otherwise. */
function checkFixed(changed: Sink, { row, definition }: SavedSink): void {
  const violations: FieldViolation[] = [];
  if (changed.branch !== "" && changed.branch !== definition.log.branch) {
    violations.push({ field: "sink.branch", description: "cannot be changed; make another sink" });
  }
  const at = changed.start?.at;
  const isSame = at?.case === "sequence" && at.value === BigInt(row.startSequence);
  if (at?.case !== undefined && !isSame) {
    violations.push({ field: "sink.start", description: "is settled at creation" });
  }
  if (violations.length > 0) throw failFields(violations);
}

/** What decides whether a destination takes the rows. */
function destinationOf({ config, mapping }: Sink): Sink {
  return create(SinkSchema, { config, ...(mapping && { mapping }) });
}

function urlOf({ config }: Sink): string {
  return config.case === "webhook" ? config.value.url : "";
}

/**
 * Saves a definition as the next version, from a sequence on that is not stored yet; the next one when
 * `from` is left out or 0. Fails with INVALID_FIELDS, and with ETAG_STALE when another change overtook it.
 */
export async function saveVersion(
  catalog: SinkCatalog,
  saved: SavedSink,
  { sink, from = 0 }: { readonly sink: Sink; readonly from?: number },
): Promise<SavedSink> {
  const { database, masterKey, logs } = catalog;
  const { log, versions } = saved.definition;
  await database.inProject(saved.row.name, async (queries) => {
    const row = await lockSink(queries, saved.row.name);
    if (row?.uid !== saved.row.uid) throw notFound(saved.row.name);
    checkEtag(etagOf(saved.row), row);
    const { shardLastSequence } = await logs.info(log);
    const updateTime = new Date(catalog.now());
    const number = newestVersion(saved.definition).version + 1;
    const least = Math.max(shardLastSequence + 1, versions.at(-1)!.fromSequence);
    if (from !== 0 && from < least) {
      const description = `is ${least} at least: what is before is stored, or is left to an earlier change`;
      throw failFields([{ field: "from_sequence", description }]);
    }
    const fromSequence = Math.max(from, least);
    const version = { number, fromSequence, sink, createTime: updateTime };
    await refuseCircle(queries, masterKey, { definition: saved.definition, config: sink.config });
    await insertSinkVersion(queries, row, { masterKey, version });
    await updateSinkRow(queries, row.uid, { version: row.version + 1, updateTime });
  });
  await catalog.refresh();
  return await database.inProject(saved.row.name, (queries) =>
    loadSink(queries, masterKey, saved.row.name),
  );
}
