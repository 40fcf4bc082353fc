/** Sinks and their versions in the database. */

import { asc, eq } from "drizzle-orm";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import { notFound } from "../core/errors.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { branches, sinks, sinkVersions } from "../db/schema.ts";
import { sinkFromRow, sinkVersionFromRow } from "./definition-store.ts";
import { newestFirst } from "./newest-first.ts";
import { sealSink } from "./sealed-sink.ts";

/** A row of `sinks`. */
export type SinkRow = typeof sinks.$inferSelect;

/** A sink with its versions opened. */
export interface SavedSink {
  readonly row: SinkRow;
  readonly definition: SinkDefinition;
}

/** A version to save. */
export interface NewSinkVersion {
  readonly number: number;
  readonly fromSequence: number;
  readonly sink: Sink;
  readonly createTime: Date;
}

/** Inserts; a taken name is a unique violation. */
export async function insertSink(queries: Queries, row: SinkRow): Promise<void> {
  await queries.insert(sinks).values(row);
}

/** Saves a version, encrypted. */
export async function insertSinkVersion(
  queries: Queries,
  row: SinkRow,
  { masterKey, version }: { readonly masterKey: MasterKey; readonly version: NewSinkVersion },
): Promise<void> {
  const { number, fromSequence, sink, createTime } = version;
  const owner = { projectUid: row.projectUid, sinkUid: row.uid };
  const sealed = sealSink(masterKey, owner, sink);
  await queries.insert(sinkVersions).values({ ...owner, number, fromSequence, sealed, createTime });
}

/** The sink with its versions; fails with RESOURCE_NOT_FOUND. */
export async function loadSink(
  queries: Queries,
  masterKey: MasterKey,
  name: string,
): Promise<SavedSink> {
  const [found] = await queries
    .select({ sink: sinks, branch: branches })
    .from(sinks)
    .innerJoin(branches, eq(branches.uid, sinks.branchUid))
    .where(eq(sinks.name, name));
  if (!found) throw notFound(name);
  const versions = await queries
    .select()
    .from(sinkVersions)
    .where(eq(sinkVersions.sinkUid, found.sink.uid))
    .orderBy(asc(sinkVersions.number));
  const opened = versions.map((row) => sinkVersionFromRow(row, { ...found, masterKey }));
  return { row: found.sink, definition: sinkFromRow(found.sink, found.branch, opened) };
}

/** The row of the sink of this name, without its definition. */
export async function findSink(queries: Queries, name: string): Promise<SinkRow | undefined> {
  return (await queries.select().from(sinks).where(eq(sinks.name, name)))[0];
}

/** The sink's row, locked until the transaction ends. */
export async function lockSink(queries: Queries, name: string): Promise<SinkRow | undefined> {
  return (await queries.select().from(sinks).where(eq(sinks.name, name)).for("update"))[0];
}

/** A page of the sinks of a stream, newest first, with one row more than it holds. */
export async function listSinkRows(
  queries: Queries,
  streamUid: string,
  page: PageRequest,
): Promise<SinkRow[]> {
  const { where, orderBy, limit } = newestFirst(sinks, page, eq(sinks.streamUid, streamUid));
  return await queries
    .select()
    .from(sinks)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Uids of the sinks of a stream. */
export async function sinkUidsOf(queries: Queries, streamUid: string): Promise<string[]> {
  const condition = eq(sinks.streamUid, streamUid);
  const rows = await queries.select({ uid: sinks.uid }).from(sinks).where(condition);
  return rows.map((row) => row.uid);
}

/** Changes a row; `version` must grow for the data plane to see it. */
export async function updateSinkRow(
  queries: Queries,
  uid: string,
  values: Partial<SinkRow>,
): Promise<void> {
  await queries.update(sinks).set(values).where(eq(sinks.uid, uid));
}

/** Deletes a sink with its versions. */
export async function deleteSink(queries: Queries, uid: string): Promise<void> {
  await queries.delete(sinks).where(eq(sinks.uid, uid));
}
