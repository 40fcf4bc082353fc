/** What everything stands on: Postgres, NATS and the master key, embedded or given. */

import { openSharedCounts, type SharedCounts } from "../auth/shared-counts.ts";
import { type Bus, createBus } from "../bus/index.ts";
import { openSnapshot, type Snapshot } from "../catalog/snapshot.ts";
import type { Config } from "../config.ts";
import type { MasterKey } from "../core/envelope.ts";
import { reasonOf } from "../core/errors.ts";
import type { KeyManagement } from "../core/key-management.ts";
import type { LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { checkDatabase, type Database, openDatabase } from "../db/client.ts";
import { migrate } from "../db/migrate.ts";
import { readMasterKeyIds } from "../db/sealed-keys.ts";
import type { AtPoint } from "../delivery/crash-points.ts";
import type { KeptLogs } from "../delivery/worker-options.ts";
import { type Embedded, startEmbedded } from "../embedded/index.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { TemplateCompiler } from "../mapping/row-transform.ts";
import { createTemplatePool } from "../mapping/templates/template-pool.ts";
import { openMasterKey, readLocalKeys } from "../master-key.ts";
import { type AttemptCounts, createAttemptCounts } from "../watch/attempt-counts.ts";
import { openReader } from "./archive.ts";
import { openAwsKms } from "./aws-kms.ts";
import type { Closers } from "./closers.ts";
import { openMailer } from "./mail.ts";
import { openManagedKeys } from "./managed-keys.ts";
import { createPhases } from "./phases.ts";
import { reach } from "./reach.ts";
import { createLateFeed, type LateFeed } from "./stream-feed.ts";
import type { WorkerTask } from "./workers.ts";

/** What the rest needs of embedded servers, whichever process runs them. */
export type Servers = Pick<Embedded, "nats" | "postgres"> | undefined;

/** The foundations. */
export interface Foundations {
  readonly config: Config;
  readonly logger: Logger;
  /** Of a worker: those of the first process. */
  readonly embedded: Servers;
  readonly database: Database;
  readonly bus: Bus;
  /** Stored records, those that only an archive has included. */
  readonly reader: LogReader;
  /** What archives keep of logs. */
  readonly kept: KeptLogs;
  readonly snapshot: Snapshot;
  readonly masterKey: MasterKey;
  readonly mailer: Mailer;
  /** What nodes count together. */
  readonly counts: SharedCounts;
  /** Evaluates the templates of mappings. */
  readonly templates: TemplateCompiler;
  /** What came of attempts of this process. */
  readonly attemptCounts: AttemptCounts;
  /** The way of sinks into streams, open once pushes are. */
  readonly feed: LateFeed;
}

/** What a start is given. */
export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Takes words about what takes longer, such as an installation. */
  readonly onProgress: (text: string) => void;
  /** Of a process that shares the port of another one: what that one told it. */
  readonly task?: WorkerTask | undefined;
  /** Program and words of this process: what its workers are started with. */
  readonly command?: readonly string[] | undefined;
  /** For tests: called at each crash point of delivery. */
  readonly at?: AtPoint | undefined;
}

/** Starts or reaches Postgres and NATS, migrates, and loads the definitions. */
export async function openFoundations(
  options: StartOptions,
  closers: Closers,
): Promise<Foundations> {
  const { config, logger, onProgress } = options;
  const time = createPhases(logger);
  const want = { nats: config.NATS_URL === undefined, postgres: config.DATABASE_URL === undefined };
  const embedded =
    (want.nats || want.postgres) && !options.task
      ? await time("embedded servers", () =>
          startEmbedded({
            dataDir: config.dataDir,
            cacheDir: config.cacheDir,
            natsBinary: config.TRIBUTARY_NATS_SERVER,
            logger,
            onProgress,
            want,
          }),
        )
      : undefined;
  if (embedded) closers.add("embedded servers", embedded.close);
  const servers = options.task ? options.task.embedded : embedded;
  const [definitions, bus] = await Promise.all([
    time("definitions", () => openDefinitions(options, servers, closers)),
    time("bus", () => openBus(options, servers, closers)),
  ]);
  const mailer = openMailer({ config, logger, ...definitions }, closers);
  const templates = createTemplatePool({ threads: config.TRIBUTARY_TEMPLATE_THREADS });
  closers.add("templates", templates.close);
  const feed = createLateFeed();
  const counts = openSharedCounts(bus.nodes);
  closers.add("shared counts", counts.close);
  const parts = {
    counts,
    config,
    logger,
    embedded: servers,
    bus,
    mailer,
    templates,
    attemptCounts: createAttemptCounts(),
    feed,
    ...definitions,
  };
  return { ...parts, ...openReader(parts, closers) };
}

function databaseUrl(config: Config, embedded: Servers): string {
  const url = config.DATABASE_URL ?? embedded?.postgres?.databaseUrl;
  if (url === undefined) throw new Error("no database: neither given nor embedded");
  return url;
}

async function openDefinitions(options: StartOptions, embedded: Servers, closers: Closers) {
  const { config, logger } = options;
  const url = databaseUrl(config, embedded);
  const { database, masterKey } = await reachDatabase(options, url, closers);
  const snapshot = await openSnapshot({ database, masterKey, logger });
  closers.add("snapshot", snapshot.close);
  return { database, masterKey, snapshot };
}

/** Opens a database that may not be up yet, migrates it, and finds the key to its secrets. */
export async function reachDatabase(
  { config, logger, onProgress }: StartOptions,
  url: string,
  closers: Closers,
) {
  const database = openDatabase({ url, logger });
  closers.add("database", database.close);
  await reach({
    what: "Postgres",
    variable: "DATABASE_URL",
    url,
    attempt: () => checkDatabase(database),
    isPassing: (error) => reasonOf(error) === "DATABASE_UNAVAILABLE",
    discard: () => undefined,
    onProgress,
  });
  await migrate(database, logger);
  const kms = kmsOf(config);
  const usedIds = await readMasterKeyIds(database);
  const local = localKeyOptions(config);
  if (!kms) return { database, masterKey: openMasterKey({ ...local, usedIds }) };
  const localKeys = () => readLocalKeys(local);
  const managed = await openManagedKeys({ kms, database, logger, localKeys, usedIds });
  closers.add("master keys", managed.close);
  return { database, masterKey: managed.keys };
}

/** Where this node finds master keys itself. */
export function localKeyOptions(config: Config) {
  return {
    given: config.TRIBUTARY_MASTER_KEY,
    previous: config.TRIBUTARY_MASTER_KEY_PREVIOUS,
    dataDir: config.dataDir,
  };
}

/** The service that holds the key to the master keys, where there is one. */
export function kmsOf({
  TRIBUTARY_KMS_KEY: keyArn,
  TRIBUTARY_KMS_ENDPOINT: endpoint,
  awsIdentity: identity,
}: Config): KeyManagement | undefined {
  return keyArn === undefined ? undefined : openAwsKms({ keyArn, endpoint, identity });
}

async function openBus(
  { config, logger, onProgress }: StartOptions,
  embedded: Servers,
  closers: Closers,
): Promise<Bus> {
  const nats = embedded?.nats;
  const url = config.NATS_URL ?? nats?.url ?? "";
  const bus = await reach({
    what: "nats-server",
    variable: "NATS_URL",
    url,
    attempt: () =>
      createBus({
        url,
        shards: config.TRIBUTARY_SHARDS,
        replicas: config.TRIBUTARY_NATS_REPLICAS,
        duplicateWindowMs: config.TRIBUTARY_IDEMPOTENCY_SECONDS * 1_000,
        logger,
        ...(nats && { user: nats.user, password: nats.password, monitorUrl: nats.monitorUrl }),
      }),
    isPassing: (error) => reasonOf(error) === "LOG_UNAVAILABLE",
    discard: (late) => void late.close(),
    onProgress,
  });
  closers.add("bus", bus.close);
  return bus;
}
