import { onTestFinished } from "vitest";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { quietLogger } from "./quiet-logger.ts";
import { createTestDatabase } from "./shared-servers.ts";

/** A migrated database of its own on the run's shared Postgres; the caller closes it. */
export async function openTestDatabase(): Promise<{ database: Database; url: string }> {
  const url = await createTestDatabase();
  const database = openDatabase({ url, logger: quietLogger, max: 5 });
  await migrate(database, quietLogger);
  return { database, url };
}

/** The same, closed when the test ends. */
export async function useTestDatabase(): Promise<{ database: Database; url: string }> {
  const opened = await openTestDatabase();
  onTestFinished(() => opened.database.close());
  return opened;
}
