/** Deleted definitions in the database: rows move away whole, so nothing else has to leave them out. */
import { and, asc, desc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import { currentAuthor } from "../core/author.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { definitionVersions, deletedDefinitions, deletedRows } from "../db/schema.ts";
import type { LogPlace } from "./log-purger.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `deleted_definitions`. */
export type DeletedRow = typeof deletedDefinitions.$inferSelect;

/** What is deleted. */
export interface Deletion {
  readonly uid: string;
  readonly projectUid: string;
  readonly name: string;
  readonly time: Date;
}

/** A table with rows of a definition, and the column that holds its uid. */
interface PartTable {
  readonly table: string;
  readonly column: string;
  /** The table whose uids the column holds, where these are not the definition's own. */
  readonly of?: string;
  /** Its column with a secret, which is rewrapped when the master key rotates. */
  readonly sealed?: string;
}

/** In the order in which they are put back. What is left out (attempts, alerts) begins anew. */
const PARTS = {
  sink: [
    { table: "sinks", column: "uid" },
    { table: "sink_versions", column: "sink_uid", sealed: "sealed" },
  ],
  source: [
    { table: "sources", column: "uid" },
    { table: "source_keys", column: "source_uid", sealed: "sealed" },
    { table: "source_stats", column: "source_uid" },
    { table: "source_polls", column: "source_uid" },
  ],
  stream: [
    { table: "streams", column: "uid", sealed: "sealed_archive_secret" },
    { table: "stream_versions", column: "stream_uid" },
    { table: "stream_refusals", column: "stream_uid" },
    { table: "branches", column: "stream_uid" },
    { table: "schema_proposals", column: "stream_uid" },
    { table: "grants", column: "stream_uid" },
    { table: "sources", column: "stream_uid" },
    { table: "source_keys", column: "source_uid", of: "sources", sealed: "sealed" },
    { table: "source_stats", column: "source_uid", of: "sources" },
    { table: "source_polls", column: "source_uid", of: "sources" },
    { table: "sinks", column: "stream_uid" },
    { table: "sink_versions", column: "sink_uid", of: "sinks", sealed: "sealed" },
  ],
} as const satisfies Record<string, readonly PartTable[]>;

/** Tables whose rows have versions of their own. */
const DEFINITIONS = ["streams", "sources", "sinks"];

/** How long what was deleted is kept. */
const KEPT_MS = 7 * 86_400_000;
/** DefinitionVersion.Action. */
const DELETED = 3;
const UNDELETED = 4;

/** Keeps the rows of a definition, in the transaction that deletes them afterwards. */
export async function keepDeleted(
  queries: Queries,
  kind: keyof typeof PARTS,
  { uid, projectUid, name, time }: Deletion,
): Promise<void> {
  await queries.insert(deletedDefinitions).values({
    uid,
    projectUid,
    name,
    author: currentAuthor(),
    createTime: time,
    purgeTime: new Date(time.getTime() + KEPT_MS),
  });
  for (const part of PARTS[kind]) await keepRows(queries, part, { uid, projectUid });
  await addVersions(queries, uid, { action: DELETED, time });
}

async function keepRows(
  queries: Queries,
  { table, column, of, sealed }: PartTable,
  { uid, projectUid }: Pick<Deletion, "uid" | "projectUid">,
): Promise<void> {
  const secret = sealed === undefined ? sql.raw("NULL::bytea") : sql.raw(`t.${sealed}`);
  const isPart =
    of === undefined
      ? sql`= ${uid}`
      : sql`IN (SELECT uid FROM ${tableOf(of)} WHERE stream_uid = ${uid})`;
  await queries.execute(sql`
    INSERT INTO ${deletedRows} (definition_uid, number, project_uid, table_name, content, sealed)
    SELECT ${uid}, (SELECT count(*) FROM ${deletedRows} WHERE definition_uid = ${uid})
      + row_number() OVER (), ${projectUid}, ${table}, to_jsonb(t) - ${sealed ?? "sealed"}::text,
      ${secret}
    FROM ${tableOf(table)} t WHERE t.${sql.identifier(column)} ${isPart}`);
}

const tableOf = (table: string) => sql`${sql.identifier("tributary")}.${sql.identifier(table)}`;

/**
 * Puts the rows back; a taken name is a unique violation, a stream that is gone one of a foreign key.
 * Roles of applications and people that are gone stay away.
 */
export async function restoreDeleted(
  queries: Queries,
  { uid }: Pick<DeletedRow, "uid">,
  time: Date,
): Promise<void> {
  await queries.execute(sql`SELECT set_config('tributary.restoring', 'on', true)`);
  const rows = await queries
    .select()
    .from(deletedRows)
    .where(eq(deletedRows.definitionUid, uid))
    .orderBy(asc(deletedRows.number));
  for (const { tableName, content, sealed } of rows) {
    const secret = sealed && {
      [sealedColumnOf(tableName)]: `\\x${Buffer.from(sealed).toString("hex")}`,
    };
    const row = JSON.stringify({ ...content, ...secret });
    const table = tableOf(tableName);
    await queries.execute(
      tableName === "grants"
        ? sql`SELECT tributary.restore_grant(${row}::jsonb)`
        : sql`INSERT INTO ${table}
            SELECT * FROM jsonb_populate_record(NULL::${table}, ${row}::jsonb)`,
    );
  }
  await addVersions(queries, uid, { action: UNDELETED, time });
  await queries.delete(deletedDefinitions).where(eq(deletedDefinitions.uid, uid));
}

function sealedColumnOf(table: string): string {
  const parts: readonly PartTable[] = PARTS.stream;
  return parts.find((part) => part.table === table)?.sealed ?? "sealed";
}

/** Gives a deleted definition up, with its versions; gives its logs, whose records are to go. */
export async function purgeDeleted(queries: Queries, uid: string): Promise<LogPlace[]> {
  const logs = await listKeptLogs(queries, eq(deletedRows.definitionUid, uid));
  const uids = await definitionsOf(queries, uid);
  await queries.delete(definitionVersions).where(inArray(definitionVersions.resourceUid, uids));
  await queries.delete(deletedDefinitions).where(eq(deletedDefinitions.uid, uid));
  return logs;
}

/** Uids of a deleted definition and of those that went with it. */
async function definitionsOf(queries: Queries, uid: string): Promise<string[]> {
  const rows = await queries
    .select({ uid: sql<string>`${deletedRows.content} ->> 'uid'` })
    .from(deletedRows)
    .where(and(eq(deletedRows.definitionUid, uid), inArray(deletedRows.tableName, DEFINITIONS)));
  return rows.map((row) => row.uid);
}

/** Logs of deleted streams that can be brought back, in the scope of the queries. */
export async function listKeptLogs(
  queries: Queries,
  condition?: SQL,
): Promise<(LogPlace & { readonly projectUid: string })[]> {
  const { content, projectUid } = deletedRows;
  return await queries
    .select({
      uid: sql<string>`${content} ->> 'uid'`,
      shard: sql<number>`(${content} ->> 'shard')::integer`,
      projectUid,
    })
    .from(deletedRows)
    .where(and(eq(deletedRows.tableName, "branches"), condition));
}

/** The definition of this uid, locked until the transaction ends. */
export async function lockDeleted(queries: Queries, uid: string): Promise<DeletedRow | undefined> {
  const isIt = eq(deletedDefinitions.uid, uid);
  return (await queries.select().from(deletedDefinitions).where(isIt).for("update"))[0];
}

/** The same by name: the one that was deleted last, or the one of a uid. */
export async function lockNewestDeleted(
  queries: Queries,
  name: string,
  uid: string,
): Promise<DeletedRow | undefined> {
  const isIt = uid === "" ? undefined : eq(deletedDefinitions.uid, uid);
  const [row] = await queries
    .select()
    .from(deletedDefinitions)
    .where(and(eq(deletedDefinitions.name, name), isIt))
    .orderBy(desc(deletedDefinitions.createTime))
    .limit(1)
    .for("update");
  return row;
}

/** A page of what was deleted in a project, newest first, with one row more than it holds. */
export async function listDeletedRows(
  queries: Queries,
  projectUid: string,
  page: PageRequest,
): Promise<DeletedRow[]> {
  const condition = eq(deletedDefinitions.projectUid, projectUid);
  const { where, orderBy, limit } = newestFirst(deletedDefinitions, page, condition);
  return await queries
    .select()
    .from(deletedDefinitions)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Gives up what was kept long enough, and gives its logs, whose records are to go. */
export async function purgeOldDeleted(queries: Queries, now: Date): Promise<LogPlace[]> {
  const rows = await queries
    .select({ uid: deletedDefinitions.uid })
    .from(deletedDefinitions)
    .where(lt(deletedDefinitions.purgeTime, now))
    .limit(1_000);
  const logs: LogPlace[] = [];
  for (const { uid } of rows) logs.push(...(await purgeDeleted(queries, uid)));
  return logs;
}

/** Uids of deleted sinks that can be brought back: what delivery keeps of them stays. */
export async function listKeptSinks(queries: Queries): Promise<ReadonlySet<string>> {
  const rows = await queries
    .select({ uid: sql<string>`${deletedRows.content} ->> 'uid'` })
    .from(deletedRows)
    .where(eq(deletedRows.tableName, "sinks"));
  return new Set(rows.map((row) => row.uid));
}

/** Versions of all that goes or comes back together. */
async function addVersions(
  queries: Queries,
  uid: string,
  change: { readonly action: number; readonly time: Date },
): Promise<void> {
  for (const each of await definitionsOf(queries, uid)) await addVersion(queries, each, change);
}

/** A version that says what was done, with the definition as it is. */
async function addVersion(
  queries: Queries,
  uid: string,
  { action, time }: { readonly action: number; readonly time: Date },
): Promise<void> {
  const [last] = await queries
    .select()
    .from(definitionVersions)
    .where(eq(definitionVersions.resourceUid, uid))
    .orderBy(desc(definitionVersions.number))
    .limit(1);
  if (!last) return;
  const number = last.number + 1;
  const author = currentAuthor();
  await queries
    .insert(definitionVersions)
    .values({ ...last, number, action, author, createTime: time });
}
