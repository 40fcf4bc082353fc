import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
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
  const part = `${path}.part`;
  const handle = await open(part, "w", 0o640);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, path);
  await syncDirectory(folder);
  if (first === undefined) return;
  // A new folder is durable once the folder that holds it is synced.
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made));
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
