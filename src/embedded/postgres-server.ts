import { readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Logger } from "../core/logger.ts";
import { findFreePort } from "./free-port.ts";
import { findPostgres } from "./postgres-binaries.ts";
import { openCluster, type PostgresPasswords } from "./postgres-cluster.ts";
import { PortTakenError, startPostgresProcess } from "./postgres-process.ts";
import { removeStaleLocks } from "./postgres-stale-lock.ts";
import { findServiceUser } from "./service-user.ts";
import { superviseServer } from "./supervisor.ts";

export interface PostgresServerOptions {
  /** Holds the cluster and its passwords; made when missing. */
  folder: string;
  /** Takes a copy of the Postgres programs when they cannot run where npm put them. */
  cacheDir: string;
  logger: Logger;
}

/** A Postgres that we keep running. */
export interface PostgresServer {
  /** The control database by TCP, as the role that owns it and may create databases and roles. */
  readonly databaseUrl: string;
  /** The same server's Unix socket, undefined when its path is too long for one. */
  readonly socketPath: string | undefined;
  /** The database `sinks` by TCP, as a role that sees nothing else. */
  readonly sinkDatabaseUrl: string;
  readonly pid: number;
  readonly isReady: boolean;
  readonly restarts: number;
  close(): Promise<void>;
}

/** What a Unix socket's address holds on every system (104 bytes on macOS, 108 on Linux). */
const socketPathBytesMax = 103;
const portAttempts = 5;

/** Starts Postgres on the cluster in `folder`, made on the first start, on 127.0.0.1 only. */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const { folder, cacheDir, logger } = options;
  const user = await findServiceUser(folder);
  const binaries = await findPostgres(user, copyFolders(cacheDir));
  const cluster = await openCluster({ folder, binaries, user });
  const onLine = (line: string) => logger.debug("postgres", { line });
  const recordFile = join(folder, "process.json");
  const launch = { binaries, cluster, user, durable: true, recordFile, onLine };
  const portFile = join(folder, "port");
  const earlier = Number((await readFile(portFile, "utf8").catch(() => "")).trim());
  let port = await findFreePort(earlier > 0 ? earlier : undefined);
  let isFirstStart = true;
  const supervisor = await superviseServer({
    name: "postgres",
    logger,
    recordFile,
    async start() {
      await removeStaleLocks(cluster.path);
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await startPostgresProcess({ ...launch, port });
        } catch (error) {
          const mayMove = isFirstStart && error instanceof PortTakenError;
          if (!mayMove || attempt === portAttempts) throw error;
          port = await findFreePort();
        }
      }
    },
  });
  isFirstStart = false;
  await writeFile(portFile, `${port}\n`);
  const socketPath = join(cluster.path, `.s.PGSQL.${port}`);
  return {
    databaseUrl: describeUrl("tributary", cluster.passwords, port),
    sinkDatabaseUrl: describeUrl("sinks", cluster.passwords, port),
    socketPath: Buffer.byteLength(socketPath) <= socketPathBytesMax ? socketPath : undefined,
    get pid() {
      return supervisor.pid;
    },
    get isReady() {
      return supervisor.isReady;
    },
    get restarts() {
      return supervisor.restarts;
    },
    close: () => supervisor.close(),
  };
}

/** Roles are named like the databases they own. */
function describeUrl(
  name: "tributary" | "sinks",
  passwords: PostgresPasswords,
  port: number,
): string {
  return `postgres://${name}:${passwords[name]}@127.0.0.1:${port}/${name}`;
}

/** Folders that a service user may reach although our cache lies where only root enters. */
function copyFolders(cacheDir: string): string[] {
  return [
    join(cacheDir, "postgres"),
    "/var/cache/tributary",
    `/var/tmp/tributary-${userInfo().uid}`,
  ];
}
