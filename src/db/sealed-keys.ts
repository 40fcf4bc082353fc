/** Secrets that the database holds, whatever they are: every bytea column whose name begins with `sealed`. */
import type { Database, Queries } from "./client.ts";

/** Values that are changed in one transaction. */
const ROWS_AT_ONCE = 200;

/** Ids (4 bytes, see `core/envelope.ts`) of the master keys that sealed something; none at first. */
export async function readMasterKeyIds(database: Database): Promise<readonly Uint8Array[]> {
  return await database.acrossProjects(async (queries) => {
    const ids = new Map<string, Uint8Array>();
    for (const { table, column } of await listColumns(queries)) {
      const rows = await queries.execute<{ id: Uint8Array }>(
        `SELECT DISTINCT substring(${column} FROM 2 FOR 4) AS id FROM tributary.${table}
          WHERE ${column} IS NOT NULL`,
      );
      for (const { id } of rows) ids.set(Buffer.from(id).toString("hex"), id);
    }
    return [...ids.values()];
  });
}

/**
 * Replaces every sealed value whose master key is another than the given one by what `rewrap` makes
 * of it. Servers may run meanwhile. Gives the number of values, by table and column.
 */
export async function rewrapSealed(
  database: Database,
  keyId: Uint8Array,
  rewrap: (sealed: Uint8Array) => Uint8Array,
): Promise<ReadonlyMap<string, number>> {
  const columns = await database.acrossProjects(listColumns);
  const counts = new Map<string, number>();
  for (const { table, column } of columns) {
    let count = 0;
    for (let changed = -1; changed !== 0; count += changed) {
      changed = await database.acrossProjects((queries) =>
        rewrapSome(queries, { table, column, keyId, rewrap }),
      );
    }
    counts.set(`${table}.${column}`, count);
  }
  return counts;
}

interface SealedColumn {
  readonly table: string;
  readonly column: string;
}

async function listColumns(queries: Queries): Promise<SealedColumn[]> {
  return await queries.execute<{ table: string; column: string }>(
    `SELECT quote_ident(table_name) AS table, quote_ident(column_name) AS column
      FROM information_schema.columns
      WHERE table_schema = 'tributary' AND column_name LIKE 'sealed%' AND data_type = 'bytea'
      ORDER BY 1, 2`,
  );
}

async function rewrapSome(
  queries: Queries,
  options: SealedColumn & {
    readonly keyId: Uint8Array;
    readonly rewrap: (sealed: Uint8Array) => Uint8Array;
  },
): Promise<number> {
  const { table, column, keyId, rewrap } = options;
  const rows = await queries.execute<{ place: string; sealed: Uint8Array }>(
    `SELECT ctid::text AS place, ${column} AS sealed FROM tributary.${table}
      WHERE substring(${column} FROM 2 FOR 4) <> '\\x${Buffer.from(keyId).toString("hex")}'
      LIMIT ${ROWS_AT_ONCE} FOR UPDATE`,
  );
  for (const { place, sealed } of rows) {
    const value = Buffer.from(rewrap(sealed)).toString("hex");
    await queries.execute(
      `UPDATE tributary.${table} SET ${column} = '\\x${value}' WHERE ctid = '${place}'`,
    );
  }
  return rows.length;
}
