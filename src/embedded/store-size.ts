import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";

/** At most this part of the disk is given to the log, counting what it already holds. */
const diskShare = 0.8;

/**
 * How many bytes JetStream may store in `folder`: 80 % of what is free and what it already holds
 * there. A full disk must not happen, because nats-server then answers nothing until it restarts.
 */
export async function findStoreLimit(folder: string): Promise<number> {
  const [disk, stored] = await Promise.all([statfs(folder), measureFolder(folder)]);
  return Math.floor((disk.bavail * disk.bsize + stored) * diskShare);
}

/** Free bytes for us on the disk that holds `folder`. */
export async function findFreeBytes(folder: string): Promise<number> {
  const disk = await statfs(folder);
  return disk.bavail * disk.bsize;
}

async function measureFolder(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    // A file may be gone by now when an earlier server is just ending.
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += found?.size ?? 0;
  }
  return bytes;
}
