/** `tributary restore`: an installation from a backup, into empty servers. */
import { createReadStream } from "node:fs";
import { chmod, copyFile, mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { StartError } from "../../core/start-error.ts";
import { loadTables } from "../../db/dump.ts";
import { migrate } from "../../db/migrate.ts";
import { createClosers } from "../closers.ts";
import type { StartOptions } from "../foundations.ts";
import { restoreArchives } from "./archive-files.ts";
import { findFaults, type Manifest, readManifest } from "./manifest.ts";
import { type RestoredShard, renameIdentities } from "./rename-identities.ts";
import { type BackupServers, openServers } from "./servers.ts";

const LINES_AT_ONCE = 500;

/**
 * Checks a backup and restores it. Nothing that is there already is written over: fails with a
 * StartError when the backup is not whole, or the data directory, database or log are not empty.
 */
export async function runRestore(folder: string, options: StartOptions): Promise<Manifest> {
  const source = resolve(folder);
  const manifest = await readManifest(source);
  const faults = await findFaults(source, manifest);
  if (faults.length > 0) throw new StartError(`the backup is not whole: ${faults.join("; ")}`);
  await restoreKeys(source, manifest, options);
  const closers = createClosers(options.logger);
  try {
    const servers = await openServers(options, closers);
    const [existing] = await servers.streams.names();
    if (existing) {
      throw new StartError(`nats-server has the stream ${existing}: restore into an empty one`);
    }
    const { database } = servers;
    await migrate(database, options.logger, { only: new Set(manifest.migrations) });
    const files = new Map(manifest.tables.map(({ table, file }) => [table, file]));
    await loadTables(database, (table) => readLines(source, files.get(table)));
    const { archiveDir } = options.config;
    await restoreArchives(source, manifest.archives, { archiveDir, database });
    const replicas = options.config.TRIBUTARY_NATS_REPLICAS;
    const identities = await restoreStreams(source, manifest, { ...servers, replicas });
    await renameIdentities(servers.nats, { identities, manifest, options });
    return manifest;
  } finally {
    await closers.close();
  }
}

async function restoreKeys(
  source: string,
  { keys }: Manifest,
  { config }: StartOptions,
): Promise<void> {
  const { dataDir } = config;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const used = (await readdir(dataDir)).filter((name) =>
    ["nats", "postgres", "master.key"].includes(name),
  );
  if (used.length > 0) {
    throw new StartError(
      `${dataDir} holds ${used.join(", ")}: restore into an empty data directory`,
    );
  }
  for (const { file } of keys) {
    const path = join(dataDir, file.replace("keys/", ""));
    await copyFile(join(source, file), path);
    await chmod(path, 0o600);
  }
}

/** The logs come before the cursors, so that whatever ends the restore leaves no cursor without its log. */
async function restoreStreams(
  source: string,
  manifest: Manifest,
  { streams, replicas }: BackupServers & { readonly replicas: number },
): Promise<ReadonlyMap<string, RestoredShard>> {
  const identities = new Map<string, RestoredShard>();
  for (const stream of manifest.streams.toReversed()) {
    const { name, file, state } = stream;
    const config = { ...stream.config, num_replicas: replicas };
    await streams.load({ config, state }, createReadStream(join(source, file)));
    const { state: found, created } = await streams.info(name);
    identities.set(stream.created, { identity: created, lastSequence: state.last_seq });
    if (found.messages === state.messages && found.last_seq === state.last_seq) continue;
    throw new StartError(
      `${name} has ${found.messages} messages up to ${found.last_seq} after the restore, ` +
        `where the backup has ${state.messages} up to ${state.last_seq}`,
    );
  }
  return identities;
}

async function* readLines(source: string, file: string | undefined) {
  if (file === undefined) return;
  let lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(join(source, file)) })) {
    if (line !== "") lines.push(line);
    if (lines.length < LINES_AT_ONCE) continue;
    yield lines;
    lines = [];
  }
  if (lines.length > 0) yield lines;
}
