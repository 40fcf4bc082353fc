/** Files of archives that were read lately, bounded by their bytes. */
import type { ArchiveFile } from "./decode-file.ts";

/** Keeps open files. */
export interface FileCache {
  /** The file of that name; opened when it is not kept. A failure is not kept. */
  get(name: string, open: () => Promise<ArchiveFile>): Promise<ArchiveFile>;
  forget(name: string): void;
}

/** Makes the cache; what was used longest ago goes first. */
export function createFileCache(bytesMax: number): FileCache {
  const files = new Map<string, { readonly opening: Promise<ArchiveFile>; bytes: number }>();
  let bytes = 0;
  const forget = (name: string) => {
    bytes -= files.get(name)?.bytes ?? 0;
    files.delete(name);
  };
  return {
    async get(name, open) {
      const known = files.get(name);
      const entry = known ?? { opening: open(), bytes: 0 };
      files.delete(name);
      files.set(name, entry);
      try {
        const file = await entry.opening;
        if (entry.bytes === 0 && files.get(name) === entry) {
          entry.bytes = file.bytes;
          bytes += file.bytes;
        }
        for (const oldest of files.keys()) {
          if (bytes <= bytesMax || oldest === name) break;
          forget(oldest);
        }
        return file;
      } catch (error) {
        if (files.get(name) === entry) forget(name);
        throw error;
      }
    },
    forget,
  };
}
