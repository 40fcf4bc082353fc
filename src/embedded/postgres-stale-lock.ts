import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes the lock files of a Postgres that was killed, when the process number in them belongs to
 * something else by now. Postgres itself only sees that such a process lives and refuses to start,
 * which happens in containers, where the same few numbers come back at each start. The data
 * directory is ours alone at this point. Without /proc the files stay and Postgres decides.
 */
export async function removeStaleLocks(clusterPath: string): Promise<void> {
  if (process.platform !== "linux") return;
  for (const name of await readdir(clusterPath)) {
    if (name !== "postmaster.pid" && !/^\.s\.PGSQL\.\d+\.lock$/.test(name)) continue;
    const text = await readFile(join(clusterPath, name), "utf8").catch(() => "");
    const pid = Math.abs(Number.parseInt(text, 10));
    if (!Number.isInteger(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.split("\0")[0]?.endsWith("postgres")) continue;
    await rm(join(clusterPath, name), { force: true });
  }
}
