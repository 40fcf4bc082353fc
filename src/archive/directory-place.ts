import { randomBytes } from "node:crypto";
import { access, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "../sinks/file/directory.ts";
import { SinkFault } from "../sinks/sink-fault.ts";
import type { ArchivePlace } from "./place.ts";

/** A directory of the server. A file is synced before it gets its name, so it is whole or not there. */
export function openDirectoryPlace(root: string): ArchivePlace {
  return {
    put: (name, bytes) => guarded("written", () => put(root, name, bytes)),
    get: (name) =>
      guarded("read", () =>
        readFile(join(root, name)).catch((error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT") return undefined;
          throw error;
        }),
      ),
    remove: (name) => guarded("deleted", () => rm(join(root, name), { force: true })),
    close: () => undefined,
  };
}

async function put(root: string, name: string, bytes: Buffer): Promise<void> {
  const path = join(root, name);
  const folder = dirname(path);
  const first = await mkdir(folder, { recursive: true, mode: 0o750 });
  // Two owners at once have parts of their own.
  const part = `${path}.${randomBytes(6).toString("hex")}.part`;
  const handle = await open(part, "w", 0o640);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, path).catch(async (error: NodeJS.ErrnoException) => {
    // Another owner has stored the same bytes, and taken our part for a leftover.
    if (error.code !== "ENOENT") throw error;
    await access(path);
  });
  await removeParts(folder, basename(path));
  await syncDirectory(folder);
  if (first === undefined) return;
  // A new folder is durable once the folder that holds it is synced.
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made));
  }
}

/** Removes what owners that were killed have left of a file. */
async function removeParts(folder: string, name: string): Promise<void> {
  for (const other of await readdir(folder)) {
    if (other.startsWith(`${name}.`) && other.endsWith(".part")) {
      await rm(join(folder, other), { force: true });
    }
  }
}

async function guarded<T>(done: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    const reason = code === "ENOSPC" || code === "EDQUOT" ? "DISK_FULL" : "FILE_FAILED";
    const why = `a file of the archive cannot be ${done}: ${code}`;
    throw new SinkFault(reason, why, { cause: error });
  }
}
