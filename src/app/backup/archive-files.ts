/**
 * Archives in a backup. Files of the server's directory are copied; a bucket is named, with what the
 * manifest says of it, and its files stay where they are. Files that no manifest names are listed, and
 * never touched.
 */
import { constants } from "node:fs";
import { access, copyFile, mkdir, open, readdir } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ArchiveSchema } from "#gen/tributary/management/v1/archive_pb.js";
import { fileName } from "../../archive/log-archiver.ts";
import { StartError } from "../../core/start-error.ts";
import type { Database } from "../../db/client.ts";
import { type ArchivedBucket, type BackedUpArchives, describeFile } from "./manifest.ts";
import { readRows } from "./table-rows.ts";

const FOLDER = "archives";
/** Orphan files that are named. */
const ORPHANS_MAX = 1_000;

interface ArchiveLine {
  readonly log_uid: string;
  readonly archive: string;
}

interface FileLine {
  readonly log_uid: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly expire_time: string | null;
}

/** Where archives are saved from and to. */
export interface ArchiveSave {
  /** The folder of the backup, which has its tables already. */
  readonly target: string;
  readonly archiveDir: string;
  readonly database: Database;
}

/** Copies what the saved tables name. What expires meanwhile is left out, and named. */
export async function saveArchives(save: ArchiveSave): Promise<BackedUpArchives> {
  const { target, archiveDir } = save;
  const buckets = await readBuckets(target);
  const files: BackedUpArchives["files"][number][] = [];
  const lost: string[] = [];
  for await (const line of readRows<FileLine>(target, "archive_files")) {
    const bucket = buckets.get(line.log_uid);
    if (line.expire_time !== null) continue;
    if (bucket) {
      bucket.files += 1;
      bucket.bytes += line.bytes;
      continue;
    }
    const file = `${FOLDER}/${line.name}`;
    await mkdir(dirname(join(target, file)), { recursive: true, mode: 0o700 });
    try {
      await copyDurably(join(archiveDir, line.name), join(target, file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      lost.push(line.name);
    }
    files.push({ file, bytes: line.bytes, sha256: line.sha256.replace(/^\\x/, "") });
  }
  const known = await readKnown(save.database);
  const expired = lost.filter((name) => !known.live.has(name));
  const gone = new Set(expired.map((name) => `${FOLDER}/${name}`));
  return {
    files: files.filter(({ file }) => !gone.has(file)),
    expired,
    buckets: [...buckets.values()].filter((bucket) => bucket.files > 0),
    orphanFiles: await findOrphans(archiveDir, known.all),
  };
}

/** Puts the copied files in place, over none of another content, and checks each. */
export async function restoreArchives(
  source: string,
  archives: BackedUpArchives | undefined,
  { archiveDir, database }: Omit<ArchiveSave, "target">,
): Promise<void> {
  for (const { file, sha256 } of archives?.files ?? []) {
    const name = relative(FOLDER, file);
    if (name.split(sep).includes("..")) throw new StartError(`${file} is no name of an archive's`);
    const path = join(archiveDir, name);
    if (!(await exists(path))) {
      await mkdir(dirname(path), { recursive: true, mode: 0o750 });
      await copyDurably(join(source, file), path);
    }
    if ((await describeFile(archiveDir, name)).sha256 === sha256) continue;
    throw new StartError(`${path} is there already with another content: nothing is written over`);
  }
  const expired = archives?.expired ?? [];
  if (expired.length === 0) return;
  await database.sql.begin(async (sql) => {
    await sql`SELECT tributary.enter('installation', '')`;
    await sql`UPDATE tributary.archive_files SET expire_time = now() WHERE name IN ${sql(expired)}`;
  });
}

/** The buckets of logs, by log. */
async function readBuckets(target: string) {
  const buckets = new Map<string, { -readonly [K in keyof ArchivedBucket]: ArchivedBucket[K] }>();
  for await (const line of readRows<ArchiveLine>(target, "archives")) {
    const bytes = Buffer.from(line.archive.replace(/^\\x/, ""), "hex");
    const { bucket } = fromBinary(ArchiveSchema, bytes);
    if (!bucket) continue;
    const { bucket: name, prefix, endpoint } = bucket;
    buckets.set(line.log_uid, {
      logUid: line.log_uid,
      bucket: name,
      prefix,
      endpoint,
      files: 0,
      bytes: 0,
    });
  }
  return buckets;
}

/** Names of files as the database has them now: those that are read, and all that may be there. */
async function readKnown(database: Database) {
  const [files, planned] = await database.sql.begin(async (sql) => {
    await sql`SELECT tributary.enter('installation', '')`;
    return [
      await sql<{ name: string; live: boolean }[]>`
        SELECT name, expire_time IS NULL AS live FROM tributary.archive_files`,
      await sql<{ folder: string; next: string; planned: string }[]>`
        SELECT folder, next_sequence AS next, planned_sequence AS planned
        FROM tributary.archives WHERE planned_sequence IS NOT NULL`,
    ];
  });
  const all = new Set(files.map(({ name }) => name));
  for (const { folder, next, planned: to } of planned) {
    all.add(fileName({ folder, nextSequence: Number(next) }, Number(to)));
  }
  return { all, live: new Set(files.flatMap(({ name, live }) => (live ? [name] : []))) };
}

async function findOrphans(root: string, known: ReadonlySet<string>): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".part"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((name) => !known.has(name))
    .sort()
    .slice(0, ORPHANS_MAX);
}

/** A copy that shares its blocks with the original where the file system can. */
async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  const copy = await open(to, "r+");
  try {
    await copy.sync();
  } finally {
    await copy.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
