/** Counts in Postgres: each is written in one transaction with the place up to which it counts. */
import { sql } from "drizzle-orm";
import type { Database, Queries } from "../db/client.ts";

/** A shard, told from one made anew in its place. */
export interface CountedShard {
  readonly shard: number;
  readonly identity: string;
}

/** What was counted of one log on one day. */
export interface LogDayCount {
  readonly logUid: string;
  /** UTC, `2026-01-31`. */
  readonly day: string;
  records: number;
  bytes: number;
  unauthenticatedRecords: number;
  unauthenticatedBytes: number;
}

/** Counts that go together with the move of a shard's mark. */
export interface CountCommit extends CountedShard {
  /** Where the counting began: the mark must still be there. */
  readonly from: number;
  readonly to: number;
  readonly counts: readonly LogDayCount[];
}

/** Where counts are kept. */
export interface UsageStore {
  /** Every message of the shard up to this sequence is counted; 0 for none. Fails with DATABASE_UNAVAILABLE. */
  readMark(shard: CountedShard): Promise<number>;
  /**
   * Adds counts and moves the mark, both or neither. False when the mark was not at `from`: somebody
   * else has counted, and nothing was written. Fails with DATABASE_UNAVAILABLE, and then either may
   * be true: read the mark.
   */
  commit(commit: CountCommit): Promise<boolean>;
  /** Replaces what is known of the stored bytes of a shard, by the uid of the project. */
  writeStoredBytes(shard: number, bytes: ReadonlyMap<string, number>): Promise<void>;
}

/** Opens the store on a migrated database. */
export function createUsageStore(database: Database): UsageStore {
  return {
    readMark: ({ shard, identity }) =>
      database.acrossProjects(async (queries) => {
        const rows = await queries.execute<{ sequence: string }>(sql`
          SELECT sequence FROM tributary.usage_marks
          WHERE shard = ${shard} AND identity = ${identity}`);
        return Number(rows[0]?.sequence ?? 0);
      }),
    commit: (commit) =>
      database.acrossProjects(async (queries) => {
        if (!(await moveMark(queries, commit))) return false;
        if (commit.counts.length > 0) await addCounts(queries, commit.counts);
        return true;
      }),
    writeStoredBytes: (shard, bytes) =>
      database.acrossProjects((queries) => replaceStoredBytes(queries, shard, bytes)),
  };
}

async function moveMark(
  queries: Queries,
  { shard, identity, from, to }: CountCommit,
): Promise<boolean> {
  const moved =
    from === 0
      ? sql`INSERT INTO tributary.usage_marks (shard, identity, sequence)
            VALUES (${shard}, ${identity}, ${to}) ON CONFLICT DO NOTHING RETURNING shard`
      : sql`UPDATE tributary.usage_marks SET sequence = ${to}
            WHERE shard = ${shard} AND identity = ${identity} AND sequence = ${from}
            RETURNING shard`;
  return (await queries.execute(moved)).length === 1;
}

/** In the order of the key, so that two shards with logs of one stream never wait for each other. */
async function addCounts(queries: Queries, counts: readonly LogDayCount[]): Promise<void> {
  await queries.execute(sql`
    WITH price AS (
      SELECT coalesce(max((value ->> 'million_records_micros')::numeric), 0) / 1000000 AS a_record,
        coalesce(max((value ->> 'gibibyte_micros')::numeric), 0) / 1073741824 AS a_byte
      FROM tributary.settings WHERE name = 'prices'
    ), found AS (
      SELECT l.stream_uid, c.day, l.project_uid, l.project_name, l.stream_name,
        sum(c.records) AS records, sum(c.bytes) AS bytes,
        sum(c."unauthenticatedRecords") AS open_records, sum(c."unauthenticatedBytes") AS open_bytes
      FROM jsonb_to_recordset(${JSON.stringify(counts)}::text::jsonb) AS c("logUid" text, day date,
        records bigint, bytes bigint, "unauthenticatedRecords" bigint, "unauthenticatedBytes" bigint)
      JOIN tributary.usage_logs l ON l.log_uid = c."logUid"
      GROUP BY 1, 2, 3, 4, 5
    )
    INSERT INTO tributary.usage_days AS u (stream_uid, day, project_uid, project_name, stream_name,
      records, bytes, unauthenticated_records, unauthenticated_bytes, charge, unauthenticated_charge)
    SELECT stream_uid, day, project_uid, project_name, stream_name,
      records, bytes, open_records, open_bytes,
      records * a_record + bytes * a_byte, open_records * a_record + open_bytes * a_byte
    FROM found, price ORDER BY stream_uid, day
    ON CONFLICT (stream_uid, day) DO UPDATE SET
      records = u.records + excluded.records,
      bytes = u.bytes + excluded.bytes,
      unauthenticated_records = u.unauthenticated_records + excluded.unauthenticated_records,
      unauthenticated_bytes = u.unauthenticated_bytes + excluded.unauthenticated_bytes,
      charge = u.charge + excluded.charge,
      unauthenticated_charge = u.unauthenticated_charge + excluded.unauthenticated_charge`);
}

async function replaceStoredBytes(
  queries: Queries,
  shard: number,
  bytes: ReadonlyMap<string, number>,
): Promise<void> {
  const rows = JSON.stringify(Object.fromEntries(bytes));
  await queries.execute(sql`
    DELETE FROM tributary.stored_bytes WHERE shard = ${shard}
      AND NOT ${rows}::text::jsonb ? project_uid`);
  await queries.execute(sql`
    INSERT INTO tributary.stored_bytes AS s (shard, project_uid, bytes)
    SELECT ${shard}, key, value::bigint FROM jsonb_each_text(${rows}::text::jsonb)
    ON CONFLICT (shard, project_uid) DO UPDATE SET bytes = excluded.bytes
    WHERE s.bytes <> excluded.bytes`);
}
