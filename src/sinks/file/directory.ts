import { mkdir, open, realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { SinkFault } from "../sink-fault.ts";

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;

/** What is wrong with a directory's name, or undefined: names joined by `/`, none hidden, no `..`. */
export function directoryFault(directory: string): string | undefined {
  if (directory.startsWith("/"))
    return "must not begin with /: it stands below the server's folder";
  const names = directory.split("/");
  if (names.length > 16) return "may have at most 16 names";
  return names.every((name) => NAME.test(name))
    ? undefined
    : "must be names joined by /, each of letters, digits, '.', '_', '-' and not beginning with '.'";
}

/** Makes the directory below `root` and gives its path; a link that leads out of `root` is refused. */
export async function openDirectory(root: string, directory: string): Promise<string> {
  const path = join(root, ...directory.split("/"));
  const first = await mkdir(path, { recursive: true });
  const [base, real] = await Promise.all([realpath(root), realpath(path)]);
  if (!real.startsWith(base + sep)) {
    throw new SinkFault("DIRECTORY_REFUSED", "the directory leads out of the server's folder");
  }
  // A new folder is durable once the folder that holds it is synced.
  for (let made = first === undefined ? "" : path; made.length > 0; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first) break;
  }
  return path;
}

/** fsync of a folder, which makes renames within it durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
