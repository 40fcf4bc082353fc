/** Sources, their keys and counts in the database. */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { and, desc, eq, gt, inArray, isNull, or, sql } from "drizzle-orm";
import { type Source, SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import type { SourceDefinition, SourceKeyDefinition } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import { notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { sourceKeys, sourcePolls, sourceStats, sources } from "../db/schema.ts";
import type { ReadSinksOptions, Uids } from "./definition-store.ts";
import { newestFirst } from "./newest-first.ts";
import { openSourceSecret } from "./source-secret.ts";

/** A row of `sources`. */
export type SourceRow = typeof sources.$inferSelect;
/** A row of `source_keys`. */
export type SourceKeyRow = typeof sourceKeys.$inferSelect;
/** A row of `source_stats`. */
export type SourceStatsRow = typeof sourceStats.$inferSelect;

/** A source with what belongs to it. */
export interface SavedSource {
  readonly row: SourceRow;
  readonly keys: readonly SourceKeyRow[];
  readonly stats: SourceStatsRow | undefined;
  readonly poll?: typeof sourcePolls.$inferSelect | undefined;
}

/** What is saved of a message, encoded. */
export function encodeSource(source: Source): Uint8Array {
  return toBinary(SourceSchema, source);
}

/** The message that was saved. */
export function decodeSource(row: Pick<SourceRow, "definition">): Source {
  return fromBinary(SourceSchema, row.definition);
}

/** Sources as the data plane wants them; those whose keys cannot be decrypted are left out. */
export async function readSources(
  queries: Queries,
  uids: Uids,
  { masterKey, onSealed }: ReadSinksOptions,
): Promise<SourceDefinition[]> {
  const rows = await queries
    .select()
    .from(sources)
    .where(uids === "all" ? undefined : inArray(sources.uid, [...uids]));
  const keyRows = await queries
    .select()
    .from(sourceKeys)
    .where(uids === "all" ? undefined : inArray(sourceKeys.sourceUid, [...uids]))
    .orderBy(desc(sourceKeys.createTime));
  const keys = Map.groupBy(keyRows, (key) => key.sourceUid);
  return rows.flatMap((row) => {
    try {
      const opened = (keys.get(row.uid) ?? []).map((key) => keyFromRow(masterKey, key));
      return [definitionFromRow(row, opened)];
    } catch (error) {
      onSealed(row.name, error);
      return [];
    }
  });
}

/** The definition of a row. */
export function definitionFromRow(
  row: SourceRow,
  keys: readonly SourceKeyDefinition[],
): SourceDefinition {
  return {
    uid: row.uid,
    name: row.name,
    projectUid: row.projectUid,
    streamName: streamOf(row.name) ?? "",
    publicId: row.publicId,
    source: decodeSource(row),
    keys,
  };
}

function keyFromRow(masterKey: MasterKey, row: SourceKeyRow): SourceKeyDefinition {
  const owner = { projectUid: row.projectUid, keyUid: row.uid };
  return {
    uid: row.uid,
    ...(row.sha256 && { sha256: row.sha256 }),
    ...(row.sealed && { secret: openSourceSecret(masterKey, owner, row.sealed) }),
    ...(row.endTime && { endTimeMs: row.endTime.getTime() }),
  };
}

/** Inserts; a taken name or public id is a unique violation. */
export async function insertSource(queries: Queries, row: SourceRow): Promise<void> {
  await queries.insert(sources).values(row);
}

/** Inserts a key. */
export async function insertSourceKey(queries: Queries, row: SourceKeyRow): Promise<void> {
  await queries.insert(sourceKeys).values(row);
}

/** The source of this name with its keys that still work; fails with RESOURCE_NOT_FOUND. */
export async function loadSource(queries: Queries, name: string, now: Date): Promise<SavedSource> {
  const [row] = await queries.select().from(sources).where(eq(sources.name, name));
  if (!row) throw notFound(name);
  return (await withKeys(queries, [row], now))[0]!;
}

/** Adds keys, newest first, and counts. */
export async function withKeys(
  queries: Queries,
  rows: readonly SourceRow[],
  now: Date,
): Promise<SavedSource[]> {
  if (rows.length === 0) return [];
  const uids = rows.map((row) => row.uid);
  const isValid = or(isNull(sourceKeys.endTime), gt(sourceKeys.endTime, now));
  const keyRows = await queries
    .select()
    .from(sourceKeys)
    .where(and(inArray(sourceKeys.sourceUid, uids), isValid))
    .orderBy(desc(sourceKeys.createTime));
  const statsRows = await queries
    .select()
    .from(sourceStats)
    .where(inArray(sourceStats.sourceUid, uids));
  const pollRows = await queries
    .select()
    .from(sourcePolls)
    .where(inArray(sourcePolls.sourceUid, uids));
  const keys = Map.groupBy(keyRows, (key) => key.sourceUid);
  return rows.map((row) => ({
    row,
    poll: pollRows.find((poll) => poll.sourceUid === row.uid),
    keys: keys.get(row.uid) ?? [],
    stats: statsRows.find((stats) => stats.sourceUid === row.uid),
  }));
}

/** The source's row. */
export async function findSource(queries: Queries, name: string): Promise<SourceRow | undefined> {
  return (await queries.select().from(sources).where(eq(sources.name, name)))[0];
}

/** The source's row, locked until the transaction ends. */
export async function lockSource(queries: Queries, name: string): Promise<SourceRow | undefined> {
  return (await queries.select().from(sources).where(eq(sources.name, name)).for("update"))[0];
}

/** A page of the sources of a stream, newest first, with one row more than it holds. */
export async function listSourceRows(
  queries: Queries,
  streamUid: string,
  page: PageRequest,
): Promise<SourceRow[]> {
  const { where, orderBy, limit } = newestFirst(sources, page, eq(sources.streamUid, streamUid));
  return await queries
    .select()
    .from(sources)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Changes a row; `version` must grow for the data plane to see it. */
export async function updateSourceRow(
  queries: Queries,
  uid: string,
  values: Partial<SourceRow>,
): Promise<void> {
  await queries.update(sources).set(values).where(eq(sources.uid, uid));
}

/** Lets all keys of a source end at a time, those excepted that end earlier. */
export async function endSourceKeys(queries: Queries, uid: string, endTime: Date): Promise<void> {
  const isLater = or(isNull(sourceKeys.endTime), gt(sourceKeys.endTime, endTime));
  await queries
    .update(sourceKeys)
    .set({ endTime })
    .where(and(eq(sourceKeys.sourceUid, uid), isLater));
}

/** Deletes a source with its keys and counts. */
export async function deleteSource(queries: Queries, uid: string): Promise<void> {
  await queries.delete(sources).where(eq(sources.uid, uid));
}

/** Adds to the counts of sources; those that are gone are passed over. */
export async function addSourceStats(
  queries: Queries,
  counts: readonly SourceStatsRow[],
): Promise<void> {
  for (const row of counts) {
    const exists = await queries.$count(sources, eq(sources.uid, row.sourceUid));
    if (exists === 0) continue;
    const add = (column: keyof SourceStatsRow, value: number) =>
      sql`${sourceStats[column]} + ${value}`;
    await queries
      .insert(sourceStats)
      .values(row)
      .onConflictDoUpdate({
        target: sourceStats.sourceUid,
        set: {
          requests: add("requests", row.requests),
          records: add("records", row.records),
          bytes: add("bytes", row.bytes),
          unauthenticatedRecords: add("unauthenticatedRecords", row.unauthenticatedRecords),
          unauthenticatedBytes: add("unauthenticatedBytes", row.unauthenticatedBytes),
          quarantined: add("quarantined", row.quarantined),
          refused: add("refused", row.refused),
          // A source that had records before this was noted has no first time.
          ...(row.firstTime && {
            firstTime: sql`CASE WHEN ${sourceStats.records} = 0 THEN ${row.firstTime.toISOString()}::timestamptz
              ELSE ${sourceStats.firstTime} END`,
          }),
          ...(row.lastTime && { lastTime: row.lastTime }),
        },
      });
  }
}

/** Notes when keys were last used; wakes nobody. */
export async function noteKeyUse(
  queries: Queries,
  uids: readonly string[],
  time: Date,
): Promise<void> {
  if (uids.length === 0) return;
  await queries
    .update(sourceKeys)
    .set({ lastUsedTime: time })
    .where(inArray(sourceKeys.uid, [...uids]));
}
