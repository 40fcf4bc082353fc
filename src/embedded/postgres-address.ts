/** Where the embedded Postgres of a data directory was last served. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PostgresPasswords } from "./postgres-cluster.ts";

/** Its address; undefined when it was never started. Nothing may be listening there now. */
export async function lastPostgresUrl(dataDir: string): Promise<string | undefined> {
  const folder = join(dataDir, "postgres");
  try {
    const port = Number((await readFile(join(folder, "port"), "utf8")).trim());
    const text = await readFile(join(folder, "passwords.json"), "utf8");
    const { tributary } = JSON.parse(text) as PostgresPasswords;
    return `postgres://tributary:${tributary}@127.0.0.1:${port}/tributary`;
  } catch {
    return undefined;
  }
}
