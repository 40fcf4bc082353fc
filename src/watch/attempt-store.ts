/** Attempts in the database. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { and, desc, eq, gte, inArray, lt, lte, or, type SQL, sql } from "drizzle-orm";
import {
  type Attempt,
  AttemptSchema,
  type Attempt_State as State,
} from "#gen/tributary/management/v1/attempt_pb.js";
import type { Database, Queries } from "../db/client.ts";
import { attemptDrops, attempts } from "../db/schema.ts";

/** A row of `attempts`. */
export type AttemptRow = typeof attempts.$inferSelect;

/** An attempt to keep. */
export type NewAttempt = Omit<AttemptRow, "number" | "projectUid">;

/** How much is kept of one sink: of successes and of failures each. */
export interface AttemptLimits {
  readonly ageMs: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Rows that one statement deletes. */
const DELETE_MAX = 5_000;

/** What stands beside the encoded attempt in a row, roughly, in bytes. */
const ROW_BYTES = 160;

/** The row of an attempt. */
export function rowOf(
  attempt: Attempt,
  facts: Pick<NewAttempt, "sinkUid" | "createTime" | "isFailure"> & {
    readonly firstSequence: number;
    readonly lastSequence: number;
  },
): NewAttempt {
  const encoded = toBinary(AttemptSchema, attempt);
  return {
    ...facts,
    state: attempt.state,
    requestId: attempt.requestId,
    partition: attempt.partition,
    size: encoded.byteLength + ROW_BYTES,
    attempt: encoded,
  };
}

/** Keeps attempts of sinks that still exist, and adds to the numbers of those that were not kept. */
export async function insertAttempts(
  database: Database,
  rows: readonly NewAttempt[],
  drops: ReadonlyMap<string, number>,
): Promise<void> {
  await database.acrossProjects(async (queries) => {
    const uids = [...new Set([...rows.map(({ sinkUid }) => sinkUid), ...drops.keys()])];
    const found = await queries.execute<{ uid: string; project_uid: string }>(sql`
      SELECT uid, project_uid FROM tributary.sinks
      WHERE uid IN ${uids} FOR KEY SHARE`);
    const projects = new Map(found.map((row) => [row.uid, row.project_uid]));
    const kept = rows.flatMap((row) => {
      const projectUid = projects.get(row.sinkUid);
      return projectUid === undefined ? [] : [{ ...row, projectUid }];
    });
    if (kept.length > 0) await insertRows(queries, kept);
    const counts = [...drops].flatMap(([sinkUid, count]) => {
      const projectUid = projects.get(sinkUid);
      return projectUid === undefined ? [] : [{ sinkUid, projectUid, count }];
    });
    if (counts.length === 0) return;
    await queries
      .insert(attemptDrops)
      .values(counts)
      .onConflictDoUpdate({
        target: attemptDrops.sinkUid,
        set: { count: sql`${attemptDrops.count} + excluded.count` },
      });
  });
}

/**
 * As one value: deliveries are up to a thousand a second, and a query builder with a parameter for each of
 * their columns takes as much CPU as the deliveries' own requests.
 */
async function insertRows(
  queries: Queries,
  rows: readonly (NewAttempt & { readonly projectUid: string })[],
): Promise<void> {
  const values = rows.map(({ createTime, attempt, ...row }) => ({
    ...row,
    createTime: createTime.toISOString(),
    attempt: Buffer.from(attempt.buffer, attempt.byteOffset, attempt.length).toString("base64"),
  }));
  await queries.execute(sql`
    INSERT INTO tributary.attempts (project_uid, sink_uid, create_time, state, is_failure, request_id,
      partition, first_sequence, last_sequence, size, attempt)
    SELECT r."projectUid", r."sinkUid", r."createTime", r.state, r."isFailure", r."requestId",
      r.partition, r."firstSequence", r."lastSequence", r.size, decode(r.attempt, 'base64')
    FROM jsonb_to_recordset(${JSON.stringify(values)}::text::jsonb) AS r("projectUid" text,
      "sinkUid" text, "createTime" timestamptz, state smallint, "isFailure" boolean, "requestId" text,
      partition integer, "firstSequence" bigint, "lastSequence" bigint, size integer, attempt text)`);
}

/** Deletes what sinks have beyond their bounds, oldest first; one statement for all of them. */
export async function trimSinks(
  database: Database,
  sinkUids: readonly string[],
  { rows, bytes }: AttemptLimits,
): Promise<void> {
  if (sinkUids.length === 0) return;
  await database.acrossProjects((queries) =>
    queries.execute(sql`
      DELETE FROM tributary.attempts WHERE number IN (
        SELECT number FROM (
          SELECT number, row_number() OVER newest AS rows, sum(size) OVER newest AS bytes
          FROM tributary.attempts WHERE sink_uid IN ${[...sinkUids]}
          WINDOW newest AS (PARTITION BY sink_uid, is_failure ORDER BY number DESC)
        ) a WHERE a.rows > ${rows} OR a.bytes > ${bytes})`),
  );
}

/** Deletes what is older than a time; gives whether there may be more. */
export async function forgetAttempts(database: Database, before: Date): Promise<boolean> {
  const deleted = await database.acrossProjects((queries) =>
    queries.execute(sql`
      DELETE FROM tributary.attempts WHERE number IN (
        SELECT number FROM tributary.attempts
        WHERE create_time < ${before.toISOString()}::timestamptz LIMIT ${DELETE_MAX})
      RETURNING 1`),
  );
  return deleted.length >= DELETE_MAX;
}

/** Which attempts. */
export interface AttemptFilter {
  readonly states: readonly State[];
  readonly start?: Date | undefined;
  readonly end?: Date | undefined;
  readonly requestId: string;
}

/** A page of attempts, newest first, below a number. */
export async function listAttemptRows(
  queries: Queries,
  sinkUid: string,
  options: { readonly filter: AttemptFilter; readonly below: number; readonly limit: number },
): Promise<AttemptRow[]> {
  const { states, start, end, requestId } = options.filter;
  const conditions: (SQL | undefined)[] = [
    eq(attempts.sinkUid, sinkUid),
    lt(attempts.number, options.below),
    states.length > 0 ? inArray(attempts.state, [...states]) : undefined,
    start && gte(attempts.createTime, start),
    end && lt(attempts.createTime, end),
    requestId === "" ? undefined : eq(attempts.requestId, requestId),
  ];
  return await queries
    .select()
    .from(attempts)
    .where(and(...conditions))
    .orderBy(desc(attempts.number))
    .limit(options.limit);
}

/** Attempts whose range holds a message of a partition, oldest first; flushes have no partition. */
export async function listAttemptsOf(
  queries: Queries,
  sinkUid: string,
  place: { readonly sequence: number; readonly partition: number; readonly limit: number },
): Promise<AttemptRow[]> {
  const isOf = or(eq(attempts.partition, place.partition), eq(attempts.partition, -1));
  const rows = await queries
    .select()
    .from(attempts)
    .where(
      and(
        eq(attempts.sinkUid, sinkUid),
        lte(attempts.firstSequence, place.sequence),
        gte(attempts.lastSequence, place.sequence),
        isOf,
      ),
    )
    .orderBy(desc(attempts.number))
    .limit(place.limit);
  return rows.reverse();
}

/** One attempt of a sink. */
export async function findAttempt(
  queries: Queries,
  sinkUid: string,
  number: number,
): Promise<AttemptRow | undefined> {
  const isIt = and(eq(attempts.sinkUid, sinkUid), eq(attempts.number, number));
  return (await queries.select().from(attempts).where(isIt))[0];
}

/** How many attempts of a sink were not kept. */
export async function countDrops(queries: Queries, sinkUid: string): Promise<number> {
  const isIt = eq(attemptDrops.sinkUid, sinkUid);
  return (await queries.select().from(attemptDrops).where(isIt))[0]?.count ?? 0;
}

/** The attempt of a row, with its name. */
export function attemptFromRow(sinkName: string, row: AttemptRow): Attempt {
  const attempt = fromBinary(AttemptSchema, row.attempt);
  return create(AttemptSchema, { ...attempt, name: `${sinkName}/attempts/${row.number}` });
}
