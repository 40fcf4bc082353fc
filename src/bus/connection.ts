import { jetstreamManager } from "@nats-io/jetstream";
import { AuthorizationError, connect, type NatsConnection } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { StartError } from "../core/start-error.ts";

/** The oldest nats-server that has all we need. */
const LEAST_VERSION = [2, 14] as const;
/** One record may be 1 MiB, less overhead. */
const LEAST_PAYLOAD = 1024 * 1024;

export interface BusConnectionOptions {
  /** One or several URLs of one cluster, separated by commas; credentials may stand in them. */
  readonly url: string;
  readonly user?: string;
  readonly password?: string;
  readonly logger: Logger;
}

/** A connection that comes back by itself, with its state. */
export interface BusConnection {
  readonly nc: NatsConnection;
  isConnected(): boolean;
  /** Resolves when there is a connection: true, or false after the time (ms) or when it is closed. */
  whenConnected(timeoutMs: number): Promise<boolean>;
  /** Calls back on each loss and return; the function returned ends it. */
  onChange(listener: (isConnected: boolean) => void): () => void;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects and checks that the server will do: version, payload, JetStream. A server that answers
 * no ping for 3 s counts as dead; reconnects are tried forever, every 200 to 300 ms.
 * Fails with LOG_UNAVAILABLE when there is no server, and with a StartError when it does not do.
 */
export async function openBusConnection(options: BusConnectionOptions): Promise<BusConnection> {
  const nc = await dial(options);
  try {
    await checkServer(nc);
  } catch (error) {
    await nc.close();
    throw error;
  }
  return watchConnection(nc, options.logger);
}

/** One more connection beside the first, which says what there is to say when the server goes and comes. */
export async function openNextConnection(options: BusConnectionOptions): Promise<BusConnection> {
  return watchConnection(await dial(options));
}

async function dial(options: BusConnectionOptions): Promise<NatsConnection> {
  return await connect({ ...readUrl(options), ...reconnectOptions }).catch((cause) => {
    if (cause instanceof AuthorizationError) {
      throw new StartError("nats-server refuses the user and password of NATS_URL", { cause });
    }
    throw fail("LOG_UNAVAILABLE", "nats-server cannot be reached", { cause });
  });
}

const reconnectOptions = {
  name: "tributary",
  reconnect: true,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 200,
  reconnectJitter: 100,
  timeout: 3_000,
  pingInterval: 1_500,
  maxPingOut: 2,
  ignoreClusterUpdates: false,
} as const;

function readUrl(options: BusConnectionOptions) {
  const urls = options.url.split(",").map((text) => new URL(text.trim()));
  const user = options.user ?? decodeURIComponent(urls[0]!.username);
  const pass = options.password ?? decodeURIComponent(urls[0]!.password);
  return {
    servers: urls.map((url) => `${url.protocol}//${url.host}`),
    ...(user ? { user, pass } : {}),
  };
}

async function checkServer(nc: NatsConnection): Promise<void> {
  const info = nc.info!;
  const [major = 0, minor = 0] = info.version.split(".").map(Number);
  if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1])) {
    throw new StartError(
      `nats-server ${info.version} is too old: ${LEAST_VERSION.join(".")} is the least`,
    );
  }
  if (info.max_payload < LEAST_PAYLOAD) {
    throw new StartError(
      `nats-server takes ${info.max_payload} bytes a message: set max_payload: 1MB or more`,
    );
  }
  await jetstreamManager(nc).catch((cause) => {
    throw new StartError("JetStream is off at nats-server, or refused to this user", { cause });
  });
}

function watchConnection(nc: NatsConnection, logger?: Logger): BusConnection {
  let connected = true;
  let closing: Promise<void> | undefined;
  const listeners = new Set<(isConnected: boolean) => void>();
  const change = (now: boolean) => {
    if (connected === now || closing) return;
    connected = now;
    if (now) logger?.info("nats-server is back");
    else logger?.warn("nats-server is away");
    for (const listener of [...listeners]) listener(now);
  };
  const watching = (async () => {
    for await (const status of nc.status()) {
      if (status.type === "disconnect") change(false);
      else if (status.type === "reconnect") change(true);
    }
  })();
  const isConnected = () => connected && !nc.isClosed();
  const onChange = (listener: (isConnected: boolean) => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    nc,
    isConnected,
    onChange,
    whenConnected(timeoutMs) {
      if (isConnected() || nc.isClosed()) return Promise.resolve(isConnected());
      return new Promise((resolve) => {
        const end = (answer: boolean) => {
          clearTimeout(timer);
          endWatch();
          resolve(answer);
        };
        const timer = setTimeout(() => end(false), timeoutMs);
        const endWatch = onChange(end);
      });
    },
    close() {
      closing ??= (async () => {
        await nc.close();
        await watching.catch(() => undefined);
        connected = false;
        for (const listener of [...listeners]) listener(false);
      })();
      return closing;
    },
  };
}

/** Whether a power cut can lose acknowledged records. */
export interface Durability {
  /** Undefined when nobody can tell. */
  readonly isPowerSafe: boolean | undefined;
  /** What to tell the operator, when there is something to tell. */
  readonly warning?: string;
  /** Bytes that JetStream may use on disk, where the monitoring page tells. */
  readonly maxStorageBytes?: number;
}

/** What we read of `/jsz`. */
interface MonitoringPage {
  readonly config?: { readonly sync_always?: boolean; readonly max_storage?: number };
}

/**
 * Asks the monitoring page of nats-server whether it syncs before each answer
 * (`sync_interval: always`): no NATS API tells. Several nodes keep quorums, which is as good.
 */
export async function checkDurability(monitorUrl?: string): Promise<Durability> {
  const advice = "set `jetstream { sync_interval: always }`, or run three nodes or more";
  if (!monitorUrl) {
    return {
      isPowerSafe: undefined,
      warning: `not known whether nats-server syncs before it answers; ${advice}`,
    };
  }
  const page = await fetch(new URL("/jsz?config=true", monitorUrl), {
    signal: AbortSignal.timeout(3_000),
  })
    .then((answer) => answer.json() as Promise<MonitoringPage>)
    .catch(() => undefined);
  if (!page) {
    return { isPowerSafe: undefined, warning: `${monitorUrl} does not answer; ${advice}` };
  }
  const { sync_always: isAlways = false, max_storage: maxStorageBytes = -1 } = page.config ?? {};
  const limit = maxStorageBytes > 0 ? { maxStorageBytes } : {};
  if (isAlways) return { isPowerSafe: true, ...limit };
  return {
    ...limit,
    isPowerSafe: false,
    warning: `not power-safe: nats-server answers before it syncs, a power cut loses up to 2 minutes of acknowledged records; ${advice}`,
  };
}
