/** The target table of a Postgres sink, as a test sees it. */
import postgres from "postgres";
import type { Numbered } from "./history.ts";
import { LOAD_FIELDS } from "./load.ts";

/** A connection for the test's own reading. */
export function connect(url: string): postgres.Sql {
  return postgres(url, { max: 2, onnotice: () => undefined, connect_timeout: 5 });
}

/**
 * Makes the table of a load before its sink does, with a column `seq` that counts rows in the order
 * of their insertion, so that a check of order needs no trust in the sink.
 */
export async function createLoadTable(sql: postgres.Sql, table: string): Promise<void> {
  if (Object.keys(LOAD_FIELDS).join() !== "key,writer,n") throw new Error("the load has changed");
  await sql`CREATE TABLE ${sql(table)} (
    key text NOT NULL, writer bigint NOT NULL, n bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY
  )`;
}

/** Rows of a load table in the order of their insertion. */
export async function readLoadRows(sql: postgres.Sql, table: string): Promise<Numbered[]> {
  const rows = await sql<{ key: string; n: string }[]>`
    SELECT key, n FROM ${sql(table)} ORDER BY seq`;
  return rows.map((row) => ({ key: row.key, n: Number(row.n) }));
}

/** Number of rows. */
export async function countRows(sql: postgres.Sql, table: string): Promise<number> {
  const [row] = await sql<{ count: string }[]>`SELECT count(*) FROM ${sql(table)}`;
  return Number(row?.count);
}
