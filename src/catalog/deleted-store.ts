/** Deleted definitions in the database: rows move away whole, so nothing else has to leave them out. */
import { asc, desc, eq, lt, sql } from "drizzle-orm";
import { currentAuthor } from "../core/author.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { definitionVersions, deletedDefinitions, deletedRows } from "../db/schema.ts";
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
  /** Whether it has a column `sealed`. */
  readonly isSealed?: boolean;
}

/** In the order in which they are put back. What is left out (attempts, alerts) begins anew. */
const PARTS = {
  sink: [
    { table: "sinks", column: "uid" },
    { table: "sink_versions", column: "sink_uid", isSealed: true },
  ],
  source: [
    { table: "sources", column: "uid" },
    { table: "source_keys", column: "source_uid", isSealed: true },
    { table: "source_stats", column: "source_uid" },
    { table: "source_polls", column: "source_uid" },
  ],
} as const satisfies Record<string, readonly PartTable[]>;

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
  for (const { table, column, ...part } of PARTS[kind]) {
    const sealed = "isSealed" in part ? sql.raw("t.sealed") : sql.raw("NULL::bytea");
    await queries.execute(sql`
      INSERT INTO ${deletedRows} (definition_uid, number, project_uid, table_name, content, sealed)
      SELECT ${uid}, (SELECT count(*) FROM ${deletedRows} WHERE definition_uid = ${uid})
        + row_number() OVER (), ${projectUid}, ${table}, to_jsonb(t) - 'sealed', ${sealed}
      FROM ${sql.identifier("tributary")}.${sql.identifier(table)} t
      WHERE t.${sql.identifier(column)} = ${uid}`);
  }
  await addVersion(queries, uid, { action: DELETED, time });
}

/** Puts the rows back; a taken name is a unique violation, a stream that is gone one of a foreign key. */
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
    const table = sql`${sql.identifier("tributary")}.${sql.identifier(tableName)}`;
    const bytes = sealed && { sealed: `\\x${Buffer.from(sealed).toString("hex")}` };
    const row = JSON.stringify({ ...content, ...bytes });
    await queries.execute(
      sql`INSERT INTO ${table} SELECT * FROM jsonb_populate_record(NULL::${table}, ${row}::jsonb)`,
    );
  }
  await addVersion(queries, uid, { action: UNDELETED, time });
  await queries.delete(deletedDefinitions).where(eq(deletedDefinitions.uid, uid));
}

/** Gives a deleted definition up, with its versions. */
export async function purgeDeleted(queries: Queries, uid: string): Promise<void> {
  await queries.delete(deletedDefinitions).where(eq(deletedDefinitions.uid, uid));
  await queries.delete(definitionVersions).where(eq(definitionVersions.resourceUid, uid));
}

/** The definition of this uid, locked until the transaction ends. */
export async function lockDeleted(queries: Queries, uid: string): Promise<DeletedRow | undefined> {
  const isIt = eq(deletedDefinitions.uid, uid);
  return (await queries.select().from(deletedDefinitions).where(isIt).for("update"))[0];
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

/** Gives up what was kept long enough. */
export async function purgeOldDeleted(queries: Queries, now: Date): Promise<void> {
  const rows = await queries
    .select({ uid: deletedDefinitions.uid })
    .from(deletedDefinitions)
    .where(lt(deletedDefinitions.purgeTime, now))
    .limit(1_000);
  for (const { uid } of rows) await purgeDeleted(queries, uid);
}

/** Uids of deleted sinks that can be brought back: what delivery keeps of them stays. */
export async function listKeptSinks(queries: Queries): Promise<ReadonlySet<string>> {
  const rows = await queries
    .select({ uid: sql<string>`${deletedRows.content} ->> 'uid'` })
    .from(deletedRows)
    .where(eq(deletedRows.tableName, "sinks"));
  return new Set(rows.map((row) => row.uid));
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
