/** What must be done now and then in the control plane, on any node and on several at once. */
import { lt, sql } from "drizzle-orm";
import { applicationSecrets, changes, sourceKeys } from "../db/schema.ts";
import type { Catalog } from "./catalog.ts";
import { purgeOldDeleted } from "./deleted-store.ts";
import { finishSeals } from "./update-stream.ts";

/** The running upkeep. */
export interface Upkeep {
  /** Does everything once; runs by itself every minute. */
  run(): Promise<void>;
  close(): void;
}

const EVERY_MS = 60_000;
/** A snapshot that missed more changes than are kept reads everything anew. */
const CHANGES_KEPT = 100_000;

/** Begins the upkeep; the first run is a minute from now. */
export function startUpkeep(catalog: Catalog): Upkeep {
  const run = async () => {
    await finishSeals(catalog);
    await forget(catalog, new Date(catalog.now()));
  };
  const timer = setInterval(() => {
    run().catch((error: unknown) => catalog.logger.warn("upkeep failed for now", { error }));
  }, EVERY_MS);
  timer.unref();
  return { run, close: () => clearInterval(timer) };
}

/** Deletes old changes, what was deleted long enough ago, and secrets and keys that ended. */
async function forget({ database, purger }: Catalog, now: Date): Promise<void> {
  const logs = await database.acrossProjects(async (queries) => {
    const kept = sql`(SELECT max(${changes.seq}) FROM ${changes}) - ${CHANGES_KEPT}`;
    await queries.delete(changes).where(lt(changes.seq, kept));
    await queries.delete(applicationSecrets).where(lt(applicationSecrets.endTime, now));
    await queries.delete(sourceKeys).where(lt(sourceKeys.endTime, now));
    const gone = await purgeOldDeleted(queries, now);
    await purger.note(queries, gone);
    return gone;
  });
  await purger.purge(logs);
}
