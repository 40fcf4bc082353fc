/** Brings the database to the newest schema. Migrations are only ever added. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../core/logger.ts";
import { StartError } from "../core/start-error.ts";
import type { Database } from "./client.ts";

const folder = join(import.meta.dirname, "migrations");
/** Any number, the same in all versions: one node migrates, the others wait. */
const lock = 7318349394477057n;

/**
 * Applies what is missing from migrations/*.sql, in the order of the names and in one transaction.
 * Any number of nodes may call it at once. Throws when a migration that was applied is not the file
 * of the same name any more, and when the database has one that this version does not know. `only`
 * leaves out what a backup of an earlier version did not have yet.
 */
export async function migrate(
  database: Database,
  logger: Logger,
  { only }: { readonly only?: ReadonlySet<string> } = {},
): Promise<void> {
  const all = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  const names = only ? all.filter((name) => only.has(name)) : all;
  const files = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), "utf8");
      return { name, text, sha256: createHash("sha256").update(text).digest("hex") };
    }),
  );
  await database.sql.begin(async (sql) => {
    await sql`SET LOCAL statement_timeout = '10min'`;
    await sql`SELECT pg_advisory_xact_lock(${lock.toString()}::bigint)`;
    // For migrations that change rows, where this user is under row-level security itself.
    await sql`SELECT set_config('tributary.scope', 'installation', true)`;
    await sql`CREATE SCHEMA IF NOT EXISTS tributary`;
    await sql`CREATE TABLE IF NOT EXISTS tributary.migrations (
      name text PRIMARY KEY, sha256 text NOT NULL, apply_time timestamptz NOT NULL DEFAULT now())`;
    const applied = await sql<{ name: string; sha256: string }[]>`
      SELECT name, sha256 FROM tributary.migrations`;
    const known = new Map(applied.map((row) => [row.name, row.sha256]));
    checkApplied(known, files);
    for (const { name, text, sha256 } of files) {
      if (known.has(name)) continue;
      await sql.unsafe(text);
      await sql`INSERT INTO tributary.migrations (name, sha256) VALUES (${name}, ${sha256})`;
      logger.info("applied migration", { name });
    }
    await sql`SELECT tributary.apply_isolation()`;
    await sql`SELECT tributary.close_audit_log()`;
  });
  await checkIsolation(database, logger);
}

/** Queries of a user that no policy binds would see all projects if one of them named none. */
async function checkIsolation(database: Database, logger: Logger): Promise<void> {
  const [row] = await database.acrossProjects((queries) =>
    queries.execute<{ is_bound: boolean }>(
      "SELECT row_security_active('tributary.streams') AS is_bound",
    ),
  );
  if (row?.is_bound) return;
  logger.warn(
    "row-level security does not bind the user of DATABASE_URL: give it CREATEROLE, or make the " +
      "role <user>_scoped and grant it to the user",
  );
}

function checkApplied(
  applied: ReadonlyMap<string, string>,
  files: readonly { readonly name: string; readonly sha256: string }[],
): void {
  const current = new Map(files.map((file) => [file.name, file.sha256]));
  for (const [name, sha256] of applied) {
    const now = current.get(name);
    if (now === undefined) {
      throw new StartError(`the database has migration ${name}, which this version does not know`);
    }
    if (now !== sha256) throw new StartError(`migration ${name} was changed after it was applied`);
  }
}
