import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../core/start-error.ts";

const run = promisify(execFile);

/** A numeric user and group to start a child as. */
export interface ServiceUser {
  uid: number;
  gid: number;
}

/**
 * The unprivileged user that Postgres runs as when we are root, because Postgres refuses root:
 * `postgres` where the system has it, else `nobody`. initdb wants a user with a name, so a made-up
 * number would not do. A cluster that exists below `folder` keeps its owner. Returns undefined when we
 * are not root and no change is needed.
 */
export async function findServiceUser(folder?: string): Promise<ServiceUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const cluster = folder && (await stat(join(folder, "data")).catch(() => undefined));
  if (cluster && cluster.uid !== 0) return { uid: cluster.uid, gid: cluster.gid };
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all([readId("-u", name), readId("-g", name)]);
      return { uid, gid };
    } catch {
      // The system has no such user: try the next name.
    }
  }
  throw new StartError(
    "Postgres does not run as root and this system has neither a user `postgres` nor `nobody`: " +
      "create one of them, start Tributary as another user, or set DATABASE_URL",
  );
}

async function readId(flag: string, name: string): Promise<number> {
  const { stdout } = await run("id", [flag, name], { timeout: 5_000 });
  return Number.parseInt(stdout, 10);
}
