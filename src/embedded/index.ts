/** A real nats-server and a real Postgres as children of this process, for `npm start`. */
import { join, resolve } from "node:path";
import type { Logger } from "../core/logger.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { findNatsServer } from "./nats-binary.ts";
import type { Progress } from "./nats-install.ts";
import { type NatsServer, startNatsServer } from "./nats-server.ts";
import { type PostgresServer, startPostgresServer } from "./postgres-server.ts";

export interface EmbeddedOptions {
  /** Everything that must be kept lies below; one process at a time can use it. */
  dataDir: string;
  /** Programs that can be fetched again; processes and clones may share it. */
  cacheDir: string;
  /** A nats-server to use instead of looking for one (`TRIBUTARY_NATS_SERVER`). */
  natsBinary?: string | undefined;
  logger: Logger;
  /** Takes progress text while something is installed. */
  onProgress?: Progress | undefined;
  /** Which servers are wanted; the others come from NATS_URL and DATABASE_URL. */
  want: { nats: boolean; postgres: boolean };
}

/** How one embedded server is doing. */
export interface EmbeddedHealth {
  isReady: boolean;
  pid: number;
  /** Starts after the first one, that is crashes and healed write errors. */
  restarts: number;
}

/** The servers that were wanted. Addresses stay the same until `close`, over crashes too. */
export interface Embedded {
  nats?: { url: string; user: string; password: string; monitorUrl: string };
  postgres?: {
    /** The control database by TCP. */
    databaseUrl: string;
    /** A Unix socket of the same server, quicker than TCP; undefined when its path is too long. */
    socketPath: string | undefined;
    /** A database of its own by TCP, for tables of demo sinks. */
    sinkDatabaseUrl: string;
  };
  health(): { nats?: EmbeddedHealth; postgres?: EmbeddedHealth };
  /** Stops the servers cleanly and gives the data directory free; idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the wanted servers side by side on the data directory. Throws when another process uses it,
 * or with the reason why a server cannot start; whatever was started is stopped by then.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { want, logger } = options;
  const dataDir = resolve(options.dataDir);
  const cacheDir = resolve(options.cacheDir);
  const lock = await lockDataDir(dataDir);
  const [nats, postgres] = await Promise.allSettled([
    want.nats ? startNats({ ...options, dataDir, cacheDir }) : undefined,
    want.postgres
      ? startPostgresServer({ folder: join(dataDir, "postgres"), cacheDir, logger })
      : undefined,
  ]);
  const servers = { ...pick("nats", nats), ...pick("postgres", postgres) };
  const stop = async () => {
    await Promise.all([servers.nats?.close(), servers.postgres?.close()]).finally(lock.release);
  };
  const failed = [nats, postgres].find((outcome) => outcome.status === "rejected");
  if (failed) {
    await stop();
    throw failed.reason;
  }
  let closed: Promise<void> | undefined;
  return {
    ...describeAddresses(servers),
    health: () => ({
      ...(servers.nats && { nats: describeHealth(servers.nats) }),
      ...(servers.postgres && { postgres: describeHealth(servers.postgres) }),
    }),
    close: () => {
      closed ??= stop();
      return closed;
    },
  };
}

async function startNats(options: EmbeddedOptions): Promise<NatsServer> {
  const { dataDir, cacheDir, natsBinary, logger, onProgress } = options;
  const binary = await findNatsServer({ binary: natsBinary, cacheDir, onProgress });
  return startNatsServer({ folder: join(dataDir, "nats"), binary, logger });
}

function pick<Name extends string, Value>(
  name: Name,
  outcome: PromiseSettledResult<Value | undefined>,
): { [K in Name]?: Value } {
  const value = outcome.status === "fulfilled" ? outcome.value : undefined;
  return (value === undefined ? {} : { [name]: value }) as { [K in Name]?: Value };
}

interface Servers {
  nats?: NatsServer;
  postgres?: PostgresServer;
}

function describeAddresses({ nats, postgres }: Servers): Pick<Embedded, "nats" | "postgres"> {
  return {
    ...(nats && {
      nats: {
        url: nats.url,
        user: nats.user,
        password: nats.password,
        monitorUrl: nats.monitorUrl,
      },
    }),
    ...(postgres && {
      postgres: {
        databaseUrl: postgres.databaseUrl,
        socketPath: postgres.socketPath,
        sinkDatabaseUrl: postgres.sinkDatabaseUrl,
      },
    }),
  };
}

function describeHealth(server: NatsServer | PostgresServer): EmbeddedHealth {
  return { isReady: server.isReady, pid: server.pid, restarts: server.restarts };
}
