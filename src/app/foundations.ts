/** What everything stands on: Postgres, NATS and the master key, embedded or given. */
import { type Bus, createBus } from "../bus/index.ts";
import { openSnapshot, type Snapshot } from "../catalog/snapshot.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../core/logger.ts";
import { type Database, openDatabase } from "../db/client.ts";
import { migrate } from "../db/migrate.ts";
import { type Embedded, startEmbedded } from "../embedded/index.ts";
import { openMasterKey } from "../master-key.ts";
import type { Closers } from "./closers.ts";

/** The foundations. */
export interface Foundations {
  readonly config: Config;
  readonly logger: Logger;
  readonly embedded: Embedded | undefined;
  readonly database: Database;
  readonly bus: Bus;
  readonly snapshot: Snapshot;
  readonly masterKey: Buffer;
}

/** What a start is given. */
export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Takes words about what takes longer, such as an installation. */
  readonly onProgress: (text: string) => void;
}

/** Starts or reaches Postgres and NATS, migrates, and loads the definitions. */
export async function openFoundations(
  { config, logger, onProgress }: StartOptions,
  closers: Closers,
): Promise<Foundations> {
  const want = { nats: config.NATS_URL === undefined, postgres: config.DATABASE_URL === undefined };
  const embedded =
    want.nats || want.postgres
      ? await startEmbedded({
          dataDir: config.dataDir,
          cacheDir: config.cacheDir,
          natsBinary: config.TRIBUTARY_NATS_SERVER,
          logger,
          onProgress,
          want,
        })
      : undefined;
  if (embedded) closers.add("embedded servers", embedded.close);
  const masterKey = openMasterKey({ given: config.TRIBUTARY_MASTER_KEY, dataDir: config.dataDir });
  const [{ database, snapshot }, bus] = await Promise.all([
    openDefinitions({ url: databaseUrl(config, embedded), masterKey, logger }, closers),
    openBus({ config, logger, embedded }, closers),
  ]);
  return { config, logger, embedded, database, bus, snapshot, masterKey };
}

function databaseUrl(config: Config, embedded: Embedded | undefined): string {
  const url = config.DATABASE_URL ?? embedded?.postgres?.databaseUrl;
  if (url === undefined) throw new Error("no database: neither given nor embedded");
  return url;
}

async function openDefinitions(
  {
    url,
    masterKey,
    logger,
  }: { readonly url: string; readonly masterKey: Buffer; readonly logger: Logger },
  closers: Closers,
) {
  const database = openDatabase({ url, logger });
  closers.add("database", database.close);
  await migrate(database, logger);
  const snapshot = await openSnapshot({ database, masterKey, logger });
  closers.add("snapshot", snapshot.close);
  return { database, snapshot };
}

async function openBus(
  {
    config,
    logger,
    embedded,
  }: { readonly config: Config; readonly logger: Logger; readonly embedded: Embedded | undefined },
  closers: Closers,
): Promise<Bus> {
  const nats = embedded?.nats;
  const bus = await createBus({
    url: config.NATS_URL ?? nats?.url ?? "",
    shards: config.TRIBUTARY_SHARDS,
    replicas: config.TRIBUTARY_NATS_REPLICAS,
    logger,
    ...(nats && { user: nats.user, password: nats.password, monitorUrl: nats.monitorUrl }),
  });
  closers.add("bus", bus.close);
  return bus;
}
