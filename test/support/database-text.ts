import type { Database } from "../../src/db/client.ts";

/** Every row of every table as text (bytes in hex), to look for what must not be there. */
export async function databaseText({ sql }: Database): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`;
  const texts: string[] = [];
  for (const { name } of tables) {
    const rows = await sql.unsafe(`SELECT t::text AS text FROM ${name} t`);
    texts.push(...rows.map((row) => String(row.text)));
  }
  return texts.join("\n");
}
