import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartError } from "../core/start-error.ts";

/** A data directory that no other process can use until `release`. */
export interface DataDirLock {
  release(): void;
}

/** SQLITE_BUSY: somebody else holds the lock. */
const sqliteBusy = 5;

/**
 * Takes the data directory for this process, or throws an error that names the process that has it.
 * The lock is the kernel's, through an SQLite file that is never written: Node has no flock of its
 * own, and a lock file with a process id in it outlives kill -9 and races when two processes find it stale.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((cause: Error) => {
    const { message } = cause;
    throw new StartError(`the data directory ${dataDir} cannot be used: ${message}`, { cause });
  });
  const holderFile = join(dataDir, "lock.pid");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(dataDir, "lock"), { timeout: 0 });
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    if ((cause as { errcode?: number }).errcode !== sqliteBusy) {
      const { message } = cause as Error;
      throw new StartError(`the data directory ${dataDir} cannot be locked: ${message}`, { cause });
    }
    const holder = (await readFile(holderFile, "utf8").catch(() => "")).trim();
    throw new StartError(
      `the data directory ${dataDir} is in use by another Tributary process` +
        `${holder ? ` (pid ${holder})` : ""}: stop that one, or set TRIBUTARY_DATA_DIR to another folder`,
      { cause },
    );
  }
  await writeFile(holderFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}
