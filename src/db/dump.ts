/**
 * The control database as lines of JSON, a file for each table, all of one moment; and back into an
 * empty one. Plain SQL, so no program of Postgres is needed and its version may differ.
 */
import type { TransactionSql } from "postgres";
import { StartError } from "../core/start-error.ts";
import type { Database } from "./client.ts";

const ROWS_AT_ONCE = 500;

/** A table of the control database. */
export interface TableDump {
  readonly table: string;
  /** Rows as JSON text, in batches. */
  rows(): AsyncIterable<readonly string[]>;
}

/** Names of the migrations that the database has. */
export async function appliedMigrations(database: Database): Promise<string[]> {
  const rows = await database.sql<{ name: string }[]>`
    SELECT name FROM tributary.migrations ORDER BY name`;
  return rows.map((row) => row.name);
}

/** Hands over every table, as all of them were at one moment, one after the other. */
export async function dumpTables(
  database: Database,
  take: (table: TableDump) => Promise<void>,
): Promise<void> {
  await database.sql.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", async (sql) => {
    await openScope(sql);
    for (const table of await listTables(sql)) {
      await take({ table, rows: () => readRows(sql, table) });
    }
  });
}

/** Fills tables that hold nothing but what migrations put there. Fails with a StartError otherwise. */
export async function loadTables(
  database: Database,
  rowsOf: (table: string) => AsyncIterable<readonly string[]>,
): Promise<void> {
  await database.sql.begin(async (sql) => {
    await openScope(sql);
    await sql`SET LOCAL statement_timeout = '30min'`;
    const [used] = await sql`SELECT FROM tributary.projects LIMIT 1`;
    if (used)
      throw new StartError("the database holds projects already: restore into an empty one");
    const tables = await listTables(sql);
    for (const table of tables) await sql`ALTER TABLE ${named(sql, table)} DISABLE TRIGGER USER`;
    for (const table of tables.toReversed()) await sql`DELETE FROM ${named(sql, table)}`;
    for (const table of tables) {
      const columns = await writableColumns(sql, table);
      for await (const rows of rowsOf(table)) await writeRows(sql, table, { columns, rows });
      await moveSequences(sql, table);
    }
    for (const table of tables) await sql`ALTER TABLE ${named(sql, table)} ENABLE TRIGGER USER`;
  });
}

async function openScope(sql: TransactionSql): Promise<void> {
  await sql`SELECT set_config('tributary.scope', 'installation', true),
    set_config('statement_timeout', '30min', true)`;
}

/** All tables but that of the migrations, each after those that it refers to. */
async function listTables(sql: TransactionSql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'tributary'::regnamespace AND relkind = 'r' AND relname <> 'migrations'
    ORDER BY relname`;
  const references = await sql<{ from: string; to: string }[]>`
    SELECT a.relname AS from, b.relname AS to FROM pg_constraint c
    JOIN pg_class a ON a.oid = c.conrelid JOIN pg_class b ON b.oid = c.confrelid
    WHERE c.contype = 'f' AND c.connamespace = 'tributary'::regnamespace AND a.oid <> b.oid`;
  const ordered: string[] = [];
  const visit = (name: string) => {
    if (ordered.includes(name)) return;
    for (const { from, to } of references) if (from === name) visit(to);
    ordered.push(name);
  };
  for (const { name } of tables) visit(name);
  return ordered;
}

async function* readRows(sql: TransactionSql, table: string): AsyncGenerator<readonly string[]> {
  const query = sql<
    { line: string }[]
  >`SELECT to_jsonb(t)::text AS line FROM ${named(sql, table)} t`;
  for await (const rows of query.cursor(ROWS_AT_ONCE)) yield rows.map((row) => row.line);
}

async function writableColumns(sql: TransactionSql, table: string): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT column_name AS name FROM information_schema.columns
    WHERE table_schema = 'tributary' AND table_name = ${table} AND is_generated = 'NEVER'
    ORDER BY ordinal_position`;
  return rows.map((row) => row.name);
}

async function writeRows(
  sql: TransactionSql,
  table: string,
  { columns, rows }: { readonly columns: readonly string[]; readonly rows: readonly string[] },
): Promise<void> {
  const target = named(sql, table);
  const list = sql(columns as string[]);
  await sql`INSERT INTO ${target} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list}
    FROM jsonb_populate_recordset(NULL::${target}, ${`[${rows.join(",")}]`}::text::jsonb)`;
}

/** Numbers that the database gives by itself go on above those that were restored. */
async function moveSequences(sql: TransactionSql, table: string): Promise<void> {
  const columns = await sql<{ name: string; sequence: string | null }[]>`
    SELECT column_name AS name,
      pg_get_serial_sequence('tributary.' || quote_ident(table_name), column_name) AS sequence
    FROM information_schema.columns
    WHERE table_schema = 'tributary' AND table_name = ${table}`;
  for (const { name, sequence } of columns) {
    if (sequence === null) continue;
    await sql`SELECT setval(${sequence}::regclass, greatest(max(${sql(name)}), 1))
      FROM ${named(sql, table)}`;
  }
}

function named(sql: TransactionSql, table: string) {
  return sql(`tributary.${table}`);
}
