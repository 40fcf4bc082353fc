/** Reads definitions as the data plane wants them: all of them, or those of some uids. */

import { fromBinary } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { and, asc, eq, inArray, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { ArchiveSchema } from "#gen/tributary/management/v1/archive_pb.js";
import {
  Branch_State,
  SchemaSchema,
  Stream_SchemaMode,
} from "#gen/tributary/management/v1/stream_pb.js";
import type {
  ArchiveDefinition,
  LogDefinition,
  ProjectDefinition,
  SinkDefinition,
  SinkVersion,
  StreamDefinition,
  StreamVersion,
} from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import { streamOf } from "../core/names.ts";
import { resolveQuotas } from "../core/quotas.ts";
import type { SchemaMode } from "../core/record-rules.ts";
import type { Queries } from "../db/client.ts";
import {
  branches,
  projectLimits,
  projects,
  settings,
  sinks,
  sinkVersions,
  streams,
  streamVersions,
} from "../db/schema.ts";
import { openSealedSink } from "./sealed-sink.ts";

/** Which rows: those of these uids, or all. */
export type Uids = readonly string[] | "all";

/** The condition for it. */
export const among = (column: PgColumn, uids: Uids): SQL | undefined =>
  uids === "all" ? undefined : inArray(column, [...uids]);

/** Projects with the quotas that hold for them. */
export async function readProjects(queries: Queries, uids: Uids): Promise<ProjectDefinition[]> {
  const [defaults] = await queries
    .select({ value: settings.value })
    .from(settings)
    .where(eq(settings.name, "default_quotas"));
  const rows = await queries
    .select({ uid: projects.uid, name: projects.name, limits: projectLimits })
    .from(projects)
    .leftJoin(projectLimits, eq(projectLimits.projectUid, projects.uid))
    .where(among(projects.uid, uids));
  return rows.map(({ uid, name, limits }) => ({
    uid,
    name,
    isSuspended: limits !== null && limits.suspendTime !== null,
    quotas: resolveQuotas(limits?.quotas, defaults?.value),
  }));
}

/** Streams with their logs and earlier versions. */
export async function readStreams(queries: Queries, uids: Uids): Promise<StreamDefinition[]> {
  const rows = await queries.select().from(streams).where(among(streams.uid, uids));
  // A branch that is being copied is not there yet: nobody may push to it or read it.
  const isReady = eq(branches.state, Branch_State.READY);
  const branchRows = await queries
    .select()
    .from(branches)
    .where(and(among(branches.streamUid, uids), isReady));
  const versionRows = await queries
    .select()
    .from(streamVersions)
    .where(among(streamVersions.streamUid, uids))
    .orderBy(asc(streamVersions.generation), asc(streamVersions.schemaVersion));
  const logs = groupBy(branchRows, (row) => row.streamUid);
  const history = groupBy(versionRows, (row) => row.streamUid);
  return rows.map((row) => ({
    uid: row.uid,
    name: row.name,
    projectUid: row.projectUid,
    schema: fromBinary(SchemaSchema, row.schema),
    schemaVersion: row.schemaVersion,
    keyFields: row.keyFields,
    schemaMode: schemaModeOf(row.schemaMode),
    partitions: row.partitions,
    generation: row.generation,
    retentionAgeMs: row.retentionAgeMs,
    retentionBytes: row.retentionBytes,
    createTimeMs: row.createTime.getTime(),
    archive: archiveOf(row),
    logs: new Map((logs.get(row.uid) ?? []).map((log) => [log.branchId, logFromRow(log)])),
    history: (history.get(row.uid) ?? []).map(versionFromRow),
  }));
}

const FILE_MS = 5 * 60_000;
const FILE_BYTES = 8 * 1024 * 1024;

function archiveOf(row: typeof streams.$inferSelect): ArchiveDefinition | undefined {
  if (!row.archive) return undefined;
  const { fileTime, fileBytes, retentionAge } = fromBinary(ArchiveSchema, row.archive);
  return {
    isTaking: row.isArchived,
    fileMs: fileTime ? durationMs(fileTime) : FILE_MS,
    fileBytes: Number(fileBytes) || FILE_BYTES,
    retentionMs: retentionAge ? durationMs(retentionAge) : Number.POSITIVE_INFINITY,
  };
}

function schemaModeOf(mode: Stream_SchemaMode): SchemaMode {
  if (mode === Stream_SchemaMode.EVOLVE) return "evolve";
  return mode === Stream_SchemaMode.OPEN ? "open" : "strict";
}

/** The definition of a branch's log. */
export function logFromRow(row: typeof branches.$inferSelect): LogDefinition {
  return { uid: row.uid, branch: row.branchId, shard: row.shard };
}

function versionFromRow(row: typeof streamVersions.$inferSelect): StreamVersion {
  return {
    schemaVersion: row.schemaVersion,
    generation: row.generation,
    schema: fromBinary(SchemaSchema, row.schema),
    keyFields: row.keyFields,
    partitions: row.partitions,
  };
}

/** What `readSinks` needs beside the queries. */
export interface ReadSinksOptions {
  readonly masterKey: MasterKey;
  /** Told of each sink that cannot be decrypted; it is left out. */
  readonly onSealed: (name: string, error: unknown) => void;
}

/** Sinks with all their versions, decrypted; those that cannot be are left out. */
export async function readSinks(
  queries: Queries,
  uids: Uids,
  { masterKey, onSealed }: ReadSinksOptions,
): Promise<SinkDefinition[]> {
  const rows = await queries
    .select({ sink: sinks, branch: branches, suspendTime: projectLimits.suspendTime })
    .from(sinks)
    .innerJoin(branches, eq(branches.uid, sinks.branchUid))
    .leftJoin(projectLimits, eq(projectLimits.projectUid, sinks.projectUid))
    .where(among(sinks.uid, uids));
  const versionRows = await queries
    .select()
    .from(sinkVersions)
    .where(among(sinkVersions.sinkUid, uids))
    .orderBy(asc(sinkVersions.number));
  const versions = groupBy(versionRows, (row) => row.sinkUid);
  const found: SinkDefinition[] = [];
  for (const { sink: row, branch, suspendTime } of rows) {
    // The sinks of a suspended project rest, whatever their owner says.
    const sink = suspendTime ? { ...row, isPaused: true } : row;
    try {
      const opened = (versions.get(sink.uid) ?? []).map((row) =>
        sinkVersionFromRow(row, { sink, branch, masterKey }),
      );
      if (opened.length > 0) found.push(sinkFromRow(sink, branch, opened));
    } catch (error) {
      onSealed(sink.name, error);
    }
  }
  return found;
}

/** The definition of a sink with its versions, ascending. */
export function sinkFromRow(
  row: typeof sinks.$inferSelect,
  branch: typeof branches.$inferSelect,
  versions: readonly SinkVersion[],
): SinkDefinition {
  return {
    uid: row.uid,
    name: row.name,
    projectUid: row.projectUid,
    streamName: streamOf(row.name) ?? "",
    log: logFromRow(branch),
    startSequence: row.startSequence,
    endSequence: row.endSequence,
    isPaused: row.isPaused,
    restarts: row.restarts,
    versions,
  };
}

/** Decrypts one version; throws when it cannot. */
export function sinkVersionFromRow(
  row: typeof sinkVersions.$inferSelect,
  of: {
    readonly sink: typeof sinks.$inferSelect;
    readonly branch: typeof branches.$inferSelect;
    readonly masterKey: MasterKey;
  },
): SinkVersion {
  const owner = { projectUid: of.sink.projectUid, sinkUid: of.sink.uid };
  const sink = Object.assign(openSealedSink(of.masterKey, owner, row.sealed), {
    name: of.sink.name,
    uid: of.sink.uid,
    branch: of.branch.branchId,
    version: BigInt(row.number),
  });
  return { version: row.number, fromSequence: row.fromSequence, sink };
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, T[]> {
  return Map.groupBy(rows, keyOf);
}
