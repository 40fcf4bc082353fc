import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../../src/embedded/child.ts";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { type NatsPorts, startNatsProcess } from "../../src/embedded/nats-process.ts";

/** The folder of the test run's own nats-server, when the machine has none; ignored by git. */
export const testCacheDir = join(import.meta.dirname, "../../.cache");

export interface TestNatsOptions {
  /** `always` (the default, as in production) fsyncs before each answer. */
  syncInterval?: "always" | (string & {});
  /** Bytes; left out, the server decides by the disk. */
  maxFileStore?: number;
  /** More lines for the server's configuration file. */
  config?: string;
  /** A fixed port; left out, the server picks a free one. */
  port?: number;
  /** How long it may take to be ready. */
  startTimeoutMs?: number;
  /** Data to start on; it stays when the server closes. */
  storeDir?: string;
}

export interface TestNats {
  /** `nats://127.0.0.1:port`, without credentials. The port stays the same over restarts. */
  readonly url: string;
  /** `http://127.0.0.1:port` of the server's monitoring pages (/healthz, /jsz). */
  readonly monitorUrl: string;
  readonly storeDir: string;
  readonly pid: number;
  /** Sends a signal; waits until the process is gone for SIGKILL, SIGTERM and SIGINT. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server when it runs and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Ends the server and deletes its data unless `storeDir` was given. */
  close(): Promise<void>;
}

/** Starts a real nats-server with a JetStream file store in a folder of its own. */
export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const binary = await findNatsServer({
    binary: process.env.TRIBUTARY_NATS_SERVER,
    cacheDir: testCacheDir,
  });
  const folder = await mkdtemp(join(tmpdir(), "tributary-nats-"));
  const storeDir = options.storeDir ?? join(folder, "store");
  await mkdir(storeDir, { recursive: true });
  let ports: NatsPorts = { client: options.port ?? -1, monitor: -1 };
  let child: Child;
  const start = async () => {
    const file = join(folder, "nats.conf");
    await writeFile(file, configText({ ...options, storeDir, folder, ports }));
    const started = await startNatsProcess({
      binary,
      configFile: file,
      portsFolder: folder,
      startTimeoutMs: options.startTimeoutMs,
    });
    child = started.child;
    ports = started.ports;
  };
  await start();
  return {
    get url() {
      return `nats://127.0.0.1:${ports.client}`;
    },
    get monitorUrl() {
      return `http://127.0.0.1:${ports.monitor}`;
    },
    storeDir,
    get pid() {
      return child.pid;
    },
    async kill(signal) {
      child.kill(signal);
      if (["SIGKILL", "SIGTERM", "SIGINT"].includes(signal)) await child.exited;
    },
    async restart() {
      await child.stop();
      await start();
    },
    async close() {
      await child.stop(2_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface ConfigInput extends TestNatsOptions {
  storeDir: string;
  folder: string;
  ports: NatsPorts;
}

function configText(input: ConfigInput): string {
  const jetstream = [
    `store_dir: ${JSON.stringify(input.storeDir)}`,
    `sync_interval: ${input.syncInterval ?? "always"}`,
    ...(input.maxFileStore === undefined ? [] : [`max_file_store: ${input.maxFileStore}`]),
  ];
  return `listen: "127.0.0.1:${input.ports.client}"
http: "127.0.0.1:${input.ports.monitor}"
ports_file_dir: ${JSON.stringify(input.folder)}
max_payload: 8MB
jetstream { ${jetstream.join("\n")} }
${input.config ?? ""}
`;
}
