/** Streams in the database. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { eq, getTableColumns, lt, sql } from "drizzle-orm";
import { toSnakeCase } from "drizzle-orm/casing";
import {
  SchemaSchema,
  type Stream,
  Stream_SchemaMode,
  Stream_Throughput,
  StreamSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { keyFieldsOf } from "../core/change-data-capture.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { deletedDefinitions, deletedRows, streams, streamVersions } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import { newestFirst } from "./newest-first.ts";
import { archiveFromRow } from "./stream-archive.ts";

/** A row of `streams`. */
export type StreamRow = typeof streams.$inferSelect;

/** What a Stream message says of a row: all that callers may set. */
export type StreamValues = Pick<
  StreamRow,
  | "displayName"
  | "description"
  | "schema"
  | "keyFields"
  | "throughput"
  | "partitions"
  | "retentionAgeMs"
  | "retentionBytes"
  | "schemaMode"
  | "notifyEmails"
>;

const DAY_MS = 24 * 60 * 60_000;
const GIB = 2 ** 30;

const PARTITIONS: Readonly<Record<Stream_Throughput, number>> = {
  [Stream_Throughput.THROUGHPUT_UNSPECIFIED]: 1,
  [Stream_Throughput.NORMAL]: 1,
  [Stream_Throughput.HIGH]: 4,
  [Stream_Throughput.MAX]: 16,
};

/** The stream as callers see it. */
export function streamFromRow(row: StreamRow): Stream {
  return create(StreamSchema, {
    name: row.name,
    displayName: row.displayName,
    description: row.description,
    schema: fromBinary(SchemaSchema, row.schema),
    keyFields: row.keyFields,
    throughput: row.throughput,
    partitions: row.partitions,
    retention: {
      age: durationFromMs(row.retentionAgeMs),
      bytes: BigInt(row.retentionBytes),
    },
    schemaMode: row.schemaMode,
    notifyEmails: row.notifyEmails,
    ...(row.isArchived && { archive: archiveFromRow(row) }),
    schemaVersion: BigInt(row.schemaVersion),
    generation: BigInt(row.generation),
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
  });
}

/** What a checked message says, with the defaults: NORMAL, 7 days, 1 GiB. */
export function streamValues(stream: Stream): StreamValues {
  const throughput = stream.throughput || Stream_Throughput.NORMAL;
  const { age, bytes = 0n } = stream.retention ?? {};
  return {
    displayName: stream.displayName,
    description: stream.description,
    schema: toBinary(SchemaSchema, stream.schema ?? create(SchemaSchema)),
    keyFields: [...keyFieldsOf(stream.schema, stream.keyFields)],
    throughput,
    partitions: PARTITIONS[throughput],
    retentionAgeMs: age ? durationMs(age) : 7 * DAY_MS,
    retentionBytes: Number(bytes) || GIB,
    schemaMode: stream.schemaMode || Stream_SchemaMode.STRICT,
    notifyEmails: [...stream.notifyEmails],
  };
}

/** Inserts; a taken name is a unique violation. */
export async function insertStream(queries: Queries, row: StreamRow): Promise<void> {
  await queries.insert(streams).values(row);
}

/** The stream of this name. */
export async function findStream(queries: Queries, name: string): Promise<StreamRow | undefined> {
  return (await queries.select().from(streams).where(eq(streams.name, name)))[0];
}

/** The stream, locked until the transaction ends. */
export async function lockStream(queries: Queries, name: string): Promise<StreamRow | undefined> {
  return (await queries.select().from(streams).where(eq(streams.name, name)).for("update"))[0];
}

/** A page of the streams of a project, newest first, with one row more than it holds. */
export async function listStreams(
  queries: Queries,
  projectUid: string,
  page: PageRequest,
): Promise<StreamRow[]> {
  const condition = eq(streams.projectUid, projectUid);
  const { where, orderBy, limit } = newestFirst(streams, page, condition);
  return await queries
    .select()
    .from(streams)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** A stream that was deleted and can be brought back. */
export interface DeletedStream {
  readonly row: StreamRow;
  readonly deleteTime: Date;
  readonly purgeTime: Date;
}

/** The same of deleted streams, by the time at which they were made. */
export async function listDeletedStreams(
  queries: Queries,
  projectUid: string,
  { after, size }: PageRequest,
): Promise<DeletedStream[]> {
  const last = after ? new Date(after.timeMs).toISOString() : "infinity";
  const kept = sql`(
    SELECT s.*, d.create_time AS delete_time, d.purge_time
    FROM ${deletedDefinitions} d
    JOIN ${deletedRows} r ON r.definition_uid = d.uid AND r.table_name = 'streams',
      jsonb_populate_record(NULL::${streams}, r.content) s
    WHERE d.project_uid = ${projectUid}
      AND (s.create_time, s.uid) < (${last}::timestamptz, ${after?.uid ?? ""})
    ORDER BY s.create_time DESC, s.uid DESC LIMIT ${size + 1}) AS "streams"`;
  const columns = Object.entries(getTableColumns(streams)).map(
    ([key, column]) => [key, sql`${sql.identifier(toSnakeCase(key))}`.mapWith(column)] as const,
  );
  const rows = await queries
    .select({
      ...Object.fromEntries(columns),
      deleteTime: sql<Date>`delete_time`.mapWith(streams.createTime),
      purgeTime: sql<Date>`purge_time`.mapWith(streams.createTime),
    })
    .from(kept);
  // The columns are those of the table, in a query that is none.
  return (rows as unknown as (StreamRow & Omit<DeletedStream, "row">)[]).map(
    ({ deleteTime, purgeTime, ...row }) => ({ row, deleteTime, purgeTime }),
  );
}

/** Notes that the current generation is about to be sealed. Wakes nobody. */
export async function noteSealing(queries: Queries, uid: string, time: Date): Promise<void> {
  await queries.update(streams).set({ sealingTime: time }).where(eq(streams.uid, uid));
}

/** Names of streams whose generation was to be sealed before that time, and still is the current one. */
export async function listUnfinishedSeals(queries: Queries, before: Date): Promise<string[]> {
  const rows = await queries
    .select({ name: streams.name })
    .from(streams)
    .where(lt(streams.sealingTime, before))
    .limit(1_000);
  return rows.map((row) => row.name);
}

/** Saves a stream; `old` is kept as a version when schema or generation differ. */
export async function saveStream(
  queries: Queries,
  old: StreamRow,
  values: Partial<StreamRow>,
): Promise<void> {
  const { schemaVersion, generation } = { ...old, ...values };
  if (schemaVersion !== old.schemaVersion || generation !== old.generation) {
    await queries.insert(streamVersions).values({
      projectUid: old.projectUid,
      streamUid: old.uid,
      schemaVersion: old.schemaVersion,
      generation: old.generation,
      schema: old.schema,
      keyFields: old.keyFields,
      partitions: old.partitions,
      endTime: values.updateTime ?? old.updateTime,
    });
  }
  await queries.update(streams).set(values).where(eq(streams.uid, old.uid));
}

/** Deletes a stream with its branches and sinks, which are to be kept before. */
export async function deleteStream(queries: Queries, uid: string): Promise<void> {
  await queries.delete(streams).where(eq(streams.uid, uid));
}
