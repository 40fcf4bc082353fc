/** A filesystem in a file, whose bytes on "disk" can be copied as a power cut would leave them. */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A mounted image; needs root and loop devices. */
export interface BlockImage {
  readonly folder: string;
  /**
   * Mounts a copy of what has reached the image by now: what lies only in the page cache of the
   * mounted filesystem is not in it, as after a power cut.
   */
  cutPower(): Promise<BlockImage>;
  close(): Promise<void>;
}

/** Makes and mounts an ext4 image of `megabytes`. */
export async function createBlockImage(megabytes: number): Promise<BlockImage> {
  const base = await mkdtemp(join(tmpdir(), "tributary-image-"));
  await chmod(base, 0o755);
  const file = join(base, "disk.img");
  await writeFile(file, "");
  await truncate(file, megabytes * 1024 * 1024);
  await run("mkfs.ext4", ["-q", "-F", file]);
  return mountImage(base, file);
}

async function mountImage(base: string, file: string): Promise<BlockImage> {
  const folder = join(base, "mount");
  await mkdir(folder, { recursive: true });
  // A long commit interval keeps the journal from hiding a missing fsync for longer than the 5 s of ext4.
  await run("mount", ["-o", "loop,commit=300", file, folder]);
  await chmod(folder, 0o755);
  return {
    folder,
    async cutPower() {
      const copyBase = await mkdtemp(join(tmpdir(), "tributary-image-"));
      await chmod(copyBase, 0o755);
      const copy = join(copyBase, "disk.img");
      await copyFile(file, copy);
      return mountImage(copyBase, copy);
    },
    async close() {
      await run("umount", [folder]).catch(() => run("umount", ["-l", folder]));
      await rm(base, { recursive: true, force: true });
    },
  };
}
