import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../core/logger.ts";
import { writeDurably } from "./durable-file.ts";
import { type NatsPorts, startNatsProcess } from "./nats-process.ts";
import { watchNatsHealth } from "./nats-watch.ts";
import { findStoreLimit } from "./store-size.ts";
import { superviseServer } from "./supervisor.ts";

export interface NatsServerOptions {
  /** Holds the log, the credentials and the configuration file; made when missing. */
  folder: string;
  /** A program that `findNatsServer` found. */
  binary: string;
  logger: Logger;
}

/** A nats-server that we keep running. */
export interface NatsServer {
  /** `nats://127.0.0.1:port`; the port stays the same over crashes, and over starts while it is free. */
  readonly url: string;
  /** `http://127.0.0.1:port` of /healthz, /varz, /jsz. */
  readonly monitorUrl: string;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  readonly isReady: boolean;
  readonly restarts: number;
  close(): Promise<void>;
}

/** Messages stay at or below 512 KiB; the rest is room for a copy of a held record with its cause. */
const maxPayload = "8MB";

/**
 * Starts nats-server with JetStream in `folder`. Every stored message is on disk before it is
 * acknowledged (`sync_interval: always`): with the server's default of two minutes a power cut lost
 * 2,500 of 2,500 acknowledged messages, with this none.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { folder, binary, logger } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const credentials = await openCredentials(join(folder, "credentials.json"));
  const portsFile = join(folder, "ports.json");
  let ports = await readPorts(portsFile);
  const configFile = join(folder, "nats.conf");
  const recordFile = join(folder, "process.json");
  let isFirstStart = true;
  const begin = async () => {
    const settings = { folder, ports, ...credentials, maxFileStore: await findStoreLimit(folder) };
    await writeFile(configFile, describeConfig(settings), { mode: 0o600 });
    const onLine = (line: string) => logger.debug("nats-server", { line });
    const files = { configFile, portsFolder: folder, recordFile };
    const started = await startNatsProcess({ binary, ...files, onLine });
    ports = started.ports;
    return started.child;
  };
  const supervisor = await superviseServer({
    name: "nats-server",
    logger,
    recordFile,
    async start() {
      try {
        return await begin();
      } catch (error) {
        // Clients know the port of a server that crashed; before the first start any port will do.
        if (!isFirstStart || !/address already in use/.test(String(error))) throw error;
        ports = { client: -1, monitor: -1 };
        return begin();
      }
    },
  });
  isFirstStart = false;
  await writeFile(portsFile, JSON.stringify(ports), { mode: 0o600 });
  const watch = watchNatsHealth({
    folder,
    monitorPort: ports.monitor,
    logger,
    restart: (why) => supervisor.restart(why),
  });
  return {
    url: `nats://127.0.0.1:${ports.client}`,
    monitorUrl: `http://127.0.0.1:${ports.monitor}`,
    ...credentials,
    get pid() {
      return supervisor.pid;
    },
    get isReady() {
      return supervisor.isReady && watch.fault === undefined;
    },
    get restarts() {
      return supervisor.restarts;
    },
    async close() {
      await watch.close();
      await supervisor.close();
    },
  };
}

interface Credentials {
  user: string;
  password: string;
}

async function openCredentials(file: string): Promise<Credentials> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text !== undefined) return JSON.parse(text) as Credentials;
  const credentials = { user: "tributary", password: randomBytes(24).toString("hex") };
  await writeDurably(file, `${JSON.stringify(credentials)}\n`);
  return credentials;
}

async function readPorts(file: string): Promise<NatsPorts> {
  const text = await readFile(file, "utf8").catch(() => "");
  const ports = /^\{"client":(\d+),"monitor":(\d+)\}$/.exec(text.trim());
  return ports
    ? { client: Number(ports[1]), monitor: Number(ports[2]) }
    : { client: -1, monitor: -1 };
}

interface ConfigInput extends Credentials {
  folder: string;
  ports: NatsPorts;
  maxFileStore: number;
}

/**
 * Only loopback is listened on, and nobody connects without the credentials. The one account has one
 * user, who may use JetStream and the subjects of the installation, and nothing else.
 */
function describeConfig({ folder, ports, user, password, maxFileStore }: ConfigInput): string {
  const path = JSON.stringify(folder);
  return `server_name: tributary
listen: "127.0.0.1:${ports.client}"
http: "127.0.0.1:${ports.monitor}"
ports_file_dir: ${path}
max_payload: ${maxPayload}
authorization {
  users: [{
    user: ${user}
    password: ${password}
    permissions: {
      publish: { allow: ["tributary.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$JS.SNAPSHOT.>"] }
      subscribe: { allow: ["tributary.>", "_INBOX.>"] }
    }
  }]
}
jetstream {
  store_dir: ${path}
  sync_interval: always
  max_file_store: ${maxFileStore}
  max_memory_store: 256MB
}
`;
}
