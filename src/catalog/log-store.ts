/** Branches in the database: each is a log. */
import { and, count, eq, ne } from "drizzle-orm";
import { Branch_State } from "#gen/tributary/management/v1/stream_pb.js";
import { fail } from "../core/errors.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { branches, deletedRows, sinks, streams } from "../db/schema.ts";
import { listKeptLogs } from "./deleted-store.ts";
import type { LogPlace } from "./log-purger.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `branches`. */
export type BranchRow = typeof branches.$inferSelect;

/** Inserts; a taken name is a unique violation. */
export async function insertBranch(
  queries: Queries,
  row: typeof branches.$inferInsert,
): Promise<void> {
  await queries.insert(branches).values(row);
}

/** The branch of this name. */
export async function findBranch(queries: Queries, name: string): Promise<BranchRow | undefined> {
  return (await queries.select().from(branches).where(eq(branches.name, name)))[0];
}

/** The same, for what is to use it. Fails with WRONG_STATE while records are copied into it. */
export async function findReadyBranch(
  queries: Queries,
  name: string,
): Promise<BranchRow | undefined> {
  const row = await findBranch(queries, name);
  if (!row || row.state === Branch_State.READY) return row;
  throw fail("WRONG_STATE", `${name} cannot be used before ${row.taskName} has succeeded`, {
    metadata: { name, task: row.taskName },
  });
}

/** The branch, locked until the transaction ends. */
export async function lockBranch(queries: Queries, name: string): Promise<BranchRow | undefined> {
  return (await queries.select().from(branches).where(eq(branches.name, name)).for("update"))[0];
}

/** A page of the branches of a stream, newest first, with one row more than it holds. */
export async function listBranches(
  queries: Queries,
  streamUid: string,
  page: PageRequest,
): Promise<BranchRow[]> {
  const { where, orderBy, limit } = newestFirst(branches, page, eq(branches.streamUid, streamUid));
  return await queries
    .select()
    .from(branches)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Deletes a branch that no sink delivers. */
export async function deleteBranch(queries: Queries, uid: string): Promise<void> {
  await queries.delete(branches).where(eq(branches.uid, uid));
}

/** Whether a sink delivers the branch. */
export async function hasSinks(queries: Queries, branchUid: string): Promise<boolean> {
  const condition = eq(sinks.branchUid, branchUid);
  return (
    (await queries.select({ uid: sinks.uid }).from(sinks).where(condition).limit(1)).length > 0
  );
}

/** All logs of a stream, oldest first: at most the number of its branches. */
export async function logsOfStream(queries: Queries, streamUid: string): Promise<LogPlace[]> {
  return await queries
    .select({ uid: branches.uid, shard: branches.shard })
    .from(branches)
    .where(eq(branches.streamUid, streamUid))
    .orderBy(branches.createTime);
}

/** Deletes the branches of a stream that are still being copied, and gives their logs. */
export async function takeUnreadyBranches(
  queries: Queries,
  streamUid: string,
): Promise<LogPlace[]> {
  const isUnready = and(eq(branches.streamUid, streamUid), ne(branches.state, Branch_State.READY));
  return await queries
    .delete(branches)
    .where(isUnready)
    .returning({ uid: branches.uid, shard: branches.shard });
}

/** All logs of all streams of a project, deleted ones included. */
export async function logsOfProject(queries: Queries, projectUid: string): Promise<LogPlace[]> {
  const kept = await listKeptLogs(queries, eq(deletedRows.projectUid, projectUid));
  const there = await queries
    .select({ uid: branches.uid, shard: branches.shard })
    .from(branches)
    .innerJoin(streams, eq(streams.uid, branches.streamUid))
    .where(eq(streams.projectUid, projectUid));
  return [...there, ...kept];
}

/** The shard with the fewest logs. Two calls at once may choose the same one, which does no harm. */
export async function chooseShard(queries: Queries, shards: number): Promise<number> {
  const rows = await queries
    .select({ shard: branches.shard, logs: count() })
    .from(branches)
    .groupBy(branches.shard);
  const logs = new Map(rows.map((row) => [row.shard, row.logs]));
  let chosen = 0;
  for (let shard = 1; shard < shards; shard++) {
    if ((logs.get(shard) ?? 0) < (logs.get(chosen) ?? 0)) chosen = shard;
  }
  return chosen;
}
