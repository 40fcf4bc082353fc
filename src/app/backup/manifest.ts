/** What a backup holds, and whether it still does. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import type { StreamDescription } from "../../bus/index.ts";
import { masterKeyId } from "../../core/envelope.ts";
import { StartError } from "../../core/start-error.ts";

/** The list of a backup, `manifest.json`, written last: without one there is no backup. */
export interface Manifest {
  readonly format: 1;
  /** Version of Tributary that made it. */
  readonly version: string;
  /** RFC 3339: when it was begun and ended. Records pushed before `beginTime` are in it. */
  readonly beginTime: string;
  readonly endTime: string;
  readonly migrations: readonly string[];
  readonly tables: readonly (FileEntry & { readonly table: string; readonly rows: number })[];
  readonly streams: readonly (FileEntry &
    StreamDescription & {
      readonly name: string;
      /** When it was made: cursors name the shard that they mean by it. */
      readonly created: string;
    })[];
  /** Uids of logs that hold records and belong to no branch. */
  readonly orphanLogs: readonly string[];
  /** Archives of streams; backups of older versions have none. */
  readonly archives?: BackedUpArchives;
  /** Files of the master key; empty when it was given by the environment. */
  readonly keys: readonly FileEntry[];
  /** Ids of the master keys that sealed what the database holds, in hexadecimal. */
  readonly keyIds: readonly string[];
}

/** What a backup says of archives. */
export interface BackedUpArchives {
  /** Files of the server's directory, with the sizes and hashes of the archives' own manifests. */
  readonly files: readonly FileEntry[];
  /** Names of files that the saved tables name and whose retention ended while they were copied. */
  readonly expired: readonly string[];
  /** Archives in buckets, which are not copied. */
  readonly buckets: readonly ArchivedBucket[];
  /** Files of the directory that belong to no archive; up to 1,000. */
  readonly orphanFiles: readonly string[];
}

/** The archive of a log in a bucket. */
export interface ArchivedBucket {
  readonly logUid: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string;
  readonly files: number;
  readonly bytes: number;
}

/** A file of the backup. */
export interface FileEntry {
  /** Path within the folder. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
}

/** Reads the manifest. Fails with a StartError when there is none, or one of a newer version. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, "manifest.json"), "utf8").catch((cause: Error) => {
    const why = `${folder} holds no complete backup: manifest.json cannot be read`;
    throw new StartError(why, { cause });
  });
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== 1) {
    throw new StartError(`the backup has format ${String(manifest.format)}, this version reads 1`);
  }
  return manifest;
}

/** Everything that is wrong with a backup, in words; nothing when it is whole. */
export async function findFaults(folder: string, manifest: Manifest): Promise<string[]> {
  const faults: string[] = [];
  const { tables, streams, keys, archives } = manifest;
  for (const entry of [...tables, ...streams, ...keys, ...(archives?.files ?? [])]) {
    const found = await describeFile(folder, entry.file).catch(() => undefined);
    if (!found) faults.push(`${entry.file} is missing`);
    else if (found.sha256 !== entry.sha256) {
      faults.push(
        `${entry.file} was changed: ${found.bytes} bytes where ${entry.bytes} were written`,
      );
    }
  }
  for (const { file, table, rows } of tables) {
    const lines = await countLines(join(folder, file)).catch(() => -1);
    if (lines >= 0 && lines !== rows) faults.push(`table ${table} has ${lines} of ${rows} rows`);
  }
  if (keys.length > 0) faults.push(...(await keyFaults(folder, manifest)));
  return faults;
}

async function keyFaults(folder: string, { keys, keyIds }: Manifest): Promise<string[]> {
  const ids = new Set<string>();
  for (const { file } of keys) {
    const text = await readFile(join(folder, file), "utf8").catch(() => "");
    ids.add(masterKeyId(Buffer.from(text.trim(), "base64")).toString("hex"));
  }
  const missing = keyIds.filter((id) => !ids.has(id));
  return missing.map(
    (id) => `the master key ${id}, which sealed secrets of the database, is missing`,
  );
}

/** A file with its size and hash. */
export async function describeFile(folder: string, file: string): Promise<FileEntry> {
  const hash = createHash("sha256");
  let bytes = 0;
  await pipeline(createReadStream(join(folder, file)), async (chunks) => {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { file, bytes, sha256: hash.digest("hex") };
}

async function countLines(path: string): Promise<number> {
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== "") lines += 1;
  }
  return lines;
}
