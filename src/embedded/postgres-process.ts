import { StartError } from "../core/start-error.ts";
import { type Child, startChild } from "./child.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import type { PostgresCluster } from "./postgres-cluster.ts";
import type { ServiceUser } from "./service-user.ts";

export interface PostgresProcessOptions {
  binaries: PostgresBinaries;
  cluster: PostgresCluster;
  user: ServiceUser | undefined;
  port: number;
  /** false gives up safety at a power cut for speed; only tests do that. */
  durable: boolean;
  /** See ChildOptions. */
  recordFile?: string;
  onLine?: (line: string) => void;
}

/** Thrown when the port was taken by another process; the caller may choose another. */
export class PortTakenError extends Error {}

/** Recovery after a crash replays up to 1 GB of write-ahead log. */
const startTimeoutMs = 300_000;

/**
 * Starts a Postgres server on 127.0.0.1:`port` and on a Unix socket in the cluster's folder, and
 * settles when it accepts connections. Throws PortTakenError, or an error with the server's last lines.
 */
export async function startPostgresProcess(options: PostgresProcessOptions): Promise<Child> {
  const { binaries, cluster, user, port, durable } = options;
  const lines: string[] = [];
  let announceReady: () => void = () => undefined;
  const ready = new Promise<"ready">((resolve) => {
    announceReady = () => resolve("ready");
  });
  const child = await startChild({
    command: binaries.postgres,
    args: ["-D", cluster.servedAs, ...settings(port, durable)],
    cwd: cluster.path,
    user,
    env: { LC_ALL: "C", TZ: "UTC" },
    stopSignal: "SIGINT",
    recordFile: options.recordFile,
    onLine(line) {
      if (lines.push(line) > 20) lines.shift();
      if (line.includes("database system is ready to accept connections")) announceReady();
      options.onLine?.(line);
    },
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), startTimeoutMs);
  });
  const outcome = await Promise.race([ready, late, child.exited]);
  clearTimeout(timer);
  if (outcome === "ready") return child;
  await child.stop(2_000);
  const text = lines.join("\n");
  if (/could not bind|could not create any TCP/.test(text)) throw new PortTakenError(text);
  throw new StartError(
    outcome === "late"
      ? `Postgres was not ready within ${startTimeoutMs / 1000} s:\n${text}`
      : `Postgres ended while it started:\n${text}`,
  );
}

function settings(port: number, durable: boolean): string[] {
  const values: Record<string, string | number> = {
    port,
    listen_addresses: "127.0.0.1",
    // The server's working directory is its cluster; the full path may be too long for a socket.
    unix_socket_directories: ".",
    max_connections: 200,
    shared_buffers: "64MB",
    // Parallel queries want shared memory that small containers do not give.
    max_parallel_workers_per_gather: 0,
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    password_encryption: "scram-sha-256",
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
