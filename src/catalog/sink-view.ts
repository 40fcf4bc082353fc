/** Sinks as callers see them. */
import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Sink,
  Sink_State,
  SinkSchema,
  SinkStatusSchema,
  StartSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { etagOf } from "./catalog.ts";
import { readSinks } from "./definition-store.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { maskConfig, type SinkDrivers } from "./sink-kind.ts";
import type { SavedSink, SinkRow } from "./sink-store.ts";

/** The newest version of a sink, secrets included. */
export function newestVersion(definition: SinkDefinition) {
  return definition.versions.at(-1)!;
}

/** Sinks with their status, secrets masked, in the order given. */
export async function viewSinks(
  catalog: Pick<SinkCatalog, "drivers" | "statuses">,
  sinks: readonly SavedSink[],
): Promise<Sink[]> {
  if (sinks.length === 0) return [];
  const statuses = await catalog.statuses.statuses(sinks.map((sink) => sink.definition));
  return sinks.map((sink) => viewSink(catalog.drivers, sink, statuses.get(sink.row.uid)));
}

function viewSink(
  drivers: SinkDrivers,
  { row, definition }: SavedSink,
  status: MessageInitShape<typeof SinkStatusSchema> | undefined,
): Sink {
  const { sink, version } = newestVersion(definition);
  return Object.assign(clone(SinkSchema, sink), {
    name: row.name,
    branch: definition.log.branch,
    config: maskConfig(drivers, sink.config),
    start: create(StartSchema, { at: { case: "sequence", value: BigInt(row.startSequence) } }),
    status: create(
      SinkStatusSchema,
      status ?? {
        state: row.isPaused ? Sink_State.PAUSED : Sink_State.PENDING,
        startSequence: BigInt(row.startSequence),
      },
    ),
    version: BigInt(version),
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
  });
}

/** Rows of a stream's sinks with their definitions; what cannot be decrypted is logged and left out. */
export async function openSinkRows(
  { database, masterKey, logger }: Pick<SinkCatalog, "database" | "masterKey" | "logger">,
  stream: string,
  rows: readonly SinkRow[],
): Promise<SavedSink[]> {
  if (rows.length === 0) return [];
  const uids = rows.map((row) => row.uid);
  const onSealed = (sink: string, error: unknown) =>
    logger.error("a sink cannot be decrypted", { sink, error });
  const found = await database.inProject(stream, (queries) =>
    readSinks(queries, uids, { masterKey, onSealed }),
  );
  const byUid = new Map(found.map((definition) => [definition.uid, definition]));
  return rows.flatMap((row) => {
    const definition = byUid.get(row.uid);
    return definition ? [{ row, definition }] : [];
  });
}
