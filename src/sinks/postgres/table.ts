import { type PostgresSink, PostgresSink_Mode } from "#gen/tributary/management/v1/sink_pb.js";
import { SinkFault } from "../sink-fault.ts";
import { type Column, fitsType, quoteIdentifier, schemaOf, tableOf } from "./columns.ts";
import { sqlStateOf } from "./fault.ts";
import type { Run } from "./target.ts";

/** A column as it is in the database. */
interface ExistingColumn {
  readonly name: string;
  readonly type: string;
  readonly not_null: boolean;
  readonly has_default: boolean;
  readonly generated: boolean;
}

const COLUMNS = `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
  a.attnotnull AS not_null, a.atthasdef OR a.attidentity <> '' AS has_default,
  a.attgenerated <> '' OR a.attidentity = 'a' AS generated
FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped`;

const UNIQUE_KEYS = `SELECT array_to_json(array(SELECT a.attname FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
  ORDER BY a.attname))::text AS columns, i.indisprimary AS is_primary
FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid
  AND i.indpred IS NULL AND i.indexprs IS NULL`;

const FIND = `SELECT c.oid::text AS oid, c.relkind FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`;

/** What was done to the table. */
export type PreparedTable = "created" | "matches";

/** Makes the table when it is missing, else compares it; throws TABLE_MISMATCH with every difference. */
export async function prepareTable(
  run: Run,
  config: PostgresSink,
  columns: readonly Column[],
): Promise<PreparedTable> {
  const stored = columns.filter((column) => column.isStored);
  const found = await findTable(run, config);
  if (found === undefined) {
    await createTable(run, config, stored);
    return "created";
  }
  if (config.addColumns) {
    await addColumns(run, config, { columns: stored, oid: found });
  }
  const faults = await compareTable(run, config, { columns: stored, oid: found });
  if (faults.length > 0) {
    throw new SinkFault(
      "TABLE_MISMATCH",
      `table ${tableOf(config)} does not fit: ${faults.join("; ")}`,
    );
  }
  return "matches";
}

async function findTable(run: Run, config: PostgresSink): Promise<string | undefined> {
  const [found] = await run(FIND, [schemaOf(config), config.table]);
  if (found === undefined) return undefined;
  if (found.relkind !== "r" && found.relkind !== "p") {
    throw new SinkFault("TABLE_MISMATCH", `${tableOf(config)} is no table`);
  }
  return String(found.oid);
}

/** Creates schema and table; another process that does the same at the same time is no fault. */
async function createTable(
  run: Run,
  config: PostgresSink,
  columns: readonly Column[],
): Promise<void> {
  const lines = columns.map(
    (column) =>
      `${quoteIdentifier(column.name)} ${column.sqlType}${column.isNullable ? "" : " NOT NULL"}`,
  );
  if (config.primaryKey.length > 0) {
    lines.push(`PRIMARY KEY (${config.primaryKey.map(quoteIdentifier).join(", ")})`);
  }
  await run("SELECT pg_advisory_lock(hashtextextended($1, 7))", [`tributary ${tableOf(config)}`]);
  try {
    const [schema] = await run("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", [
      schemaOf(config),
    ]);
    if (!schema) await run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schemaOf(config))}`);
    await run(`CREATE TABLE IF NOT EXISTS ${tableOf(config)} (${lines.join(", ")})`);
  } catch (error) {
    if (sqlStateOf(error) !== "42P07") throw error;
  } finally {
    await run("SELECT pg_advisory_unlock(hashtextextended($1, 7))", [
      `tributary ${tableOf(config)}`,
    ]).catch(() => undefined);
  }
}

/** Adds the columns that are missing, without NOT NULL: rows that are there have no value for them. */
async function addColumns(
  run: Run,
  config: PostgresSink,
  { columns, oid }: { columns: readonly Column[]; oid: string },
): Promise<void> {
  const existing = new Set((await run(COLUMNS, [oid])).map((column) => column.name));
  const missing = columns.filter(
    ({ name }) => !existing.has(name) && !config.primaryKey.includes(name),
  );
  if (missing.length === 0) return;
  const lines = missing.map(
    ({ name, sqlType }) => `ADD COLUMN IF NOT EXISTS ${quoteIdentifier(name)} ${sqlType}`,
  );
  await run(`ALTER TABLE ${tableOf(config)} ${lines.join(", ")}`);
}

async function compareTable(
  run: Run,
  config: PostgresSink,
  { columns, oid }: { columns: readonly Column[]; oid: string },
): Promise<string[]> {
  const existing = (await run(COLUMNS, [oid])) as unknown as ExistingColumn[];
  const byName = new Map(existing.map((column) => [column.name, column]));
  const faults = columns.flatMap((column) => compareColumn(column, byName.get(column.name)));
  const ours = new Set(columns.map((column) => column.name));
  for (const column of existing) {
    if (ours.has(column.name) || !column.not_null || column.has_default || column.generated) {
      continue;
    }
    faults.push(`column ${column.name} takes no null, has no default, and no field fills it`);
  }
  return [...faults, ...(await compareKey(run, config, oid))];
}

function compareColumn(column: Column, found: ExistingColumn | undefined): string[] {
  if (!found) return [`column ${column.name} ${column.sqlType} is missing`];
  if (found.generated) return [`column ${column.name} is generated`];
  const faults: string[] = [];
  if (!fitsType(column, found.type)) {
    faults.push(`column ${column.name} is ${found.type} instead of ${column.sqlType}`);
  }
  if (found.not_null && column.isNullable) {
    faults.push(`column ${column.name} takes no null, but its field may be null`);
  }
  return faults;
}

async function compareKey(run: Run, config: PostgresSink, oid: string): Promise<string[]> {
  if (config.primaryKey.length === 0) return [];
  const wanted = JSON.stringify([...config.primaryKey].sort());
  const keys = await run(UNIQUE_KEYS, [oid]);
  const sorted = (text: unknown) => JSON.stringify((JSON.parse(String(text)) as string[]).sort());
  const isAppend = config.mode <= PostgresSink_Mode.APPEND;
  const fits = keys.some((key) => (!isAppend || key.is_primary) && sorted(key.columns) === wanted);
  if (fits) return [];
  const primary = keys.find((key) => key.is_primary);
  const actual = primary
    ? `(${(JSON.parse(String(primary.columns)) as string[]).join(", ")})`
    : "none";
  return [`the primary key is ${actual} instead of (${config.primaryKey.join(", ")})`];
}
