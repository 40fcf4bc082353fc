/** Postgres and NATS for a command of a moment: those that run, or the embedded ones for its time. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openStreamSnapshots, type StreamSnapshots } from "../../bus/index.ts";
import { checkDatabase, type Database, openDatabase } from "../../db/client.ts";
import { startEmbedded } from "../../embedded/index.ts";
import { lastPostgresUrl } from "../../embedded/postgres-address.ts";
import type { Closers } from "../closers.ts";
import type { StartOptions } from "../foundations.ts";

/** What a backup is taken from or restored to. */
export interface BackupServers {
  readonly database: Database;
  readonly streams: StreamSnapshots;
  readonly nats: NatsAddress;
}

/** Where nats-server is, and who we are there. */
export interface NatsAddress {
  readonly url: string;
  readonly user?: string;
  readonly password?: string;
}

/**
 * Reaches NATS_URL and DATABASE_URL where they are set, and else the embedded servers: those of a
 * server that runs on the data directory, or started for the time of the command.
 */
export async function openServers(options: StartOptions, closers: Closers): Promise<BackupServers> {
  const { config, logger } = options;
  const found = {
    nats: config.NATS_URL ? { url: config.NATS_URL } : await runningNats(options),
    postgres: config.DATABASE_URL ?? (await runningPostgres(options)),
  };
  const embedded =
    found.nats && found.postgres
      ? undefined
      : await startEmbedded({
          dataDir: config.dataDir,
          cacheDir: config.cacheDir,
          natsBinary: config.TRIBUTARY_NATS_SERVER,
          logger,
          onProgress: options.onProgress,
          want: { nats: !found.nats, postgres: !found.postgres },
        });
  if (embedded) closers.add("embedded servers", embedded.close);
  const url = found.postgres ?? embedded?.postgres?.databaseUrl ?? "";
  const database = openDatabase({ url, logger, waitMs: 30 * 60_000 });
  closers.add("database", database.close);
  await checkDatabase(database);
  const nats: NatsAddress = found.nats ?? embedded!.nats!;
  const streams = await openStreamSnapshots({ ...nats, logger });
  closers.add("streams", streams.close);
  return { database, streams, nats };
}

async function runningPostgres({ config, logger }: StartOptions): Promise<string | undefined> {
  const url = await lastPostgresUrl(config.dataDir);
  if (url === undefined) return undefined;
  const database = openDatabase({ url, logger, max: 1, waitMs: 2_000 });
  try {
    await checkDatabase(database);
    return url;
  } catch {
    return undefined;
  } finally {
    await database.close();
  }
}

async function runningNats({ config, logger }: StartOptions): Promise<NatsAddress | undefined> {
  const folder = join(config.dataDir, "nats");
  try {
    const ports = JSON.parse(await readFile(join(folder, "ports.json"), "utf8")) as {
      client: number;
    };
    const login = JSON.parse(await readFile(join(folder, "credentials.json"), "utf8")) as {
      user: string;
      password: string;
    };
    const address = { url: `nats://127.0.0.1:${ports.client}`, ...login };
    const streams = await openStreamSnapshots({ ...address, logger });
    await streams.close();
    return address;
  } catch {
    return undefined;
  }
}
