/** The database for a command of a moment, beside a running server or without one. */
import { checkDatabase, openDatabase } from "../db/client.ts";
import { startEmbedded } from "../embedded/index.ts";
import { lastPostgresUrl } from "../embedded/postgres-address.ts";
import type { Closers } from "./closers.ts";
import { reachDatabase, type StartOptions } from "./foundations.ts";

/** How long a running embedded Postgres may take to answer. */
const RUNNING_WAIT_MS = 2_000;

/**
 * Reaches Postgres: the one that DATABASE_URL names, the embedded one of a server that runs on the
 * data directory, or else the embedded one started for the time of the command. Migrates it, and
 * fails with a StartError as a start of the server would.
 */
export async function openCommandDatabase(options: StartOptions, closers: Closers) {
  const { config } = options;
  const url =
    config.DATABASE_URL ?? (await runningUrl(options)) ?? (await startedUrl(options, closers));
  return await reachDatabase(options, url, closers);
}

async function runningUrl({ config, logger }: StartOptions): Promise<string | undefined> {
  const url = await lastPostgresUrl(config.dataDir);
  if (url === undefined) return undefined;
  const database = openDatabase({ url, logger, max: 1, waitMs: RUNNING_WAIT_MS });
  try {
    await checkDatabase(database);
    return url;
  } catch {
    return undefined;
  } finally {
    await database.close();
  }
}

async function startedUrl(options: StartOptions, closers: Closers): Promise<string> {
  const { config, logger, onProgress } = options;
  const embedded = await startEmbedded({
    dataDir: config.dataDir,
    cacheDir: config.cacheDir,
    natsBinary: config.TRIBUTARY_NATS_SERVER,
    logger,
    onProgress,
    want: { nats: false, postgres: true },
  });
  closers.add("embedded Postgres", embedded.close);
  const url = embedded.postgres?.databaseUrl;
  if (url === undefined) throw new Error("the embedded Postgres has no address");
  return url;
}
