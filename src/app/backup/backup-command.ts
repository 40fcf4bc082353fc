/**
 * `tributary backup`: control database, logs, cursors, archives and master key as of one point, while servers run.
 * The order makes them agree: definitions first, then cursors and the other stores, then the logs. So
 * every sequence that a definition or cursor names is in the logs, and what a cursor does not know yet
 * is delivered again.
 */
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartError } from "../../core/start-error.ts";
import type { Database } from "../../db/client.ts";
import { appliedMigrations, dumpTables } from "../../db/dump.ts";
import { readMasterKeyIds } from "../../db/sealed-keys.ts";
import { createClosers } from "../closers.ts";
import type { StartOptions } from "../foundations.ts";
import { packageVersion } from "../version.ts";
import { saveArchives } from "./archive-files.ts";
import { describeFile, type FileEntry, type Manifest } from "./manifest.ts";
import { type BackupServers, openServers } from "./servers.ts";

const KEY_FILES = ["master.key", "master.key.previous"];

/** Makes a backup in a folder that is empty or not there yet. Fails with a StartError. */
export async function runBackup(folder: string, options: StartOptions): Promise<Manifest> {
  const target = resolve(folder);
  const beginTime = new Date().toISOString();
  await mkdir(target, { recursive: true, mode: 0o700 });
  if ((await readdir(target)).length > 0) {
    throw new StartError(`${target} is not empty: a backup needs a folder of its own`);
  }
  for (const name of ["tables", "streams", "keys", "archives"]) await mkdir(join(target, name));
  const closers = createClosers(options.logger);
  try {
    const servers = await openServers(options, closers);
    const migrations = await appliedMigrations(servers.database);
    const { tables, branches } = await saveTables(target, servers.database);
    const keys = await saveKeys(target, options);
    const keyIds = await readMasterKeyIds(servers.database);
    const { streams, orphanLogs } = await saveStreams(target, servers, branches);
    const { archiveDir } = options.config;
    const archives = await saveArchives({ target, archiveDir, database: servers.database });
    const manifest: Manifest = {
      format: 1,
      version: packageVersion(),
      beginTime,
      endTime: new Date().toISOString(),
      migrations,
      tables,
      streams,
      orphanLogs,
      archives,
      keys,
      keyIds: keyIds.map((id) => Buffer.from(id).toString("hex")),
    };
    const file = join(target, "manifest.json");
    await writeFile(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
    await rename(`${file}.new`, file);
    return manifest;
  } finally {
    await closers.close();
  }
}

async function saveTables(target: string, database: Database) {
  const tables: Manifest["tables"][number][] = [];
  const branches = new Set<string>();
  await dumpTables(database, async ({ table, rows }) => {
    const file = `tables/${table}.ndjson`;
    let count = 0;
    await writeBlocks(join(target, file), async (write) => {
      for await (const lines of rows()) {
        count += lines.length;
        await write(Buffer.from(lines.map((line) => `${line}\n`).join("")));
        for (const line of lines) for (const uid of logUidsOf(table, line)) branches.add(uid);
      }
    });
    tables.push({ table, rows: count, ...(await describeFile(target, file)) });
  });
  return { tables, branches };
}

/** The log that a row of a table is, also one of a stream that was deleted and can be brought back. */
function logUidsOf(table: string, line: string): string[] {
  if (table === "branches") return [(JSON.parse(line) as { uid: string }).uid];
  if (table !== "deleted_rows") return [];
  const row = JSON.parse(line) as { table_name: string; content: { uid: string } };
  return row.table_name === "branches" ? [row.content.uid] : [];
}

async function saveStreams(
  target: string,
  { streams }: BackupServers,
  branches: ReadonlySet<string>,
) {
  const saved: Manifest["streams"][number][] = [];
  const orphanLogs: string[] = [];
  for (const name of await streams.names()) {
    const file = `streams/${name}.tar.s2`;
    let described: Awaited<ReturnType<typeof streams.save>> | undefined;
    await writeBlocks(join(target, file), async (write) => {
      described = await streams.save(name, write);
    });
    for (const uid of await streams.logsOf(name)) if (!branches.has(uid)) orphanLogs.push(uid);
    const { created } = await streams.info(name);
    saved.push({ name, created, ...described!, ...(await describeFile(target, file)) });
  }
  return { streams: saved, orphanLogs };
}

/** The key that lies in the data directory; one of the environment is its owner's to keep. */
async function saveKeys(target: string, { config }: StartOptions): Promise<FileEntry[]> {
  if (config.TRIBUTARY_MASTER_KEY) return [];
  const keys: FileEntry[] = [];
  for (const name of KEY_FILES) {
    const file = `keys/${name}`;
    try {
      await copyFile(join(config.dataDir, name), join(target, file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await rm(join(target, file), { force: true });
      continue;
    }
    keys.push(await describeFile(target, file));
  }
  return keys;
}

async function writeBlocks(
  path: string,
  fill: (write: (block: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await fill(async (block) => {
      await file.writeFile(block);
    });
    await file.sync();
  } finally {
    await file.close();
  }
}
