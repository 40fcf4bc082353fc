import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Child, startChild } from "../../src/embedded/child.ts";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { waitFor } from "./wait-for.ts";

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
    env: process.env,
  });
  const folder = await mkdtemp(join(tmpdir(), "tributary-nats-"));
  const storeDir = options.storeDir ?? join(folder, "store");
  await mkdir(storeDir, { recursive: true });
  let ports = { nats: options.port ?? -1, monitor: -1 };
  let child: Child;
  const start = async () => {
    const file = join(folder, "nats.conf");
    await writeFile(file, configText({ ...options, storeDir, folder, ports }));
    const lines: string[] = [];
    child = await startChild({
      command: binary,
      args: ["-c", file],
      stopSignal: "SIGTERM",
      onLine: (line) => lines.push(line),
    });
    ports = await readPorts(join(folder, `${basename(binary)}_${child.pid}.ports`), child, lines);
  };
  await start();
  return {
    get url() {
      return `nats://127.0.0.1:${ports.nats}`;
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
  ports: { nats: number; monitor: number };
}

function configText(input: ConfigInput): string {
  const jetstream = [
    `store_dir: ${JSON.stringify(input.storeDir)}`,
    `sync_interval: ${input.syncInterval ?? "always"}`,
    ...(input.maxFileStore === undefined ? [] : [`max_file_store: ${input.maxFileStore}`]),
  ];
  return `listen: "127.0.0.1:${input.ports.nats}"
http: "127.0.0.1:${input.ports.monitor}"
ports_file_dir: ${JSON.stringify(input.folder)}
max_payload: 8MB
jetstream { ${jetstream.join("\n")} }
${input.config ?? ""}
`;
}

async function readPorts(file: string, child: Child, lines: string[]) {
  const text = await waitFor(async () => {
    if (!child.isRunning()) throw new Error(`nats-server ended:\n${lines.slice(-20).join("\n")}`);
    const content = await readFile(file, "utf8").catch(() => "");
    return content.trimEnd().endsWith("}") ? content : undefined;
  });
  const parsed = JSON.parse(text) as { nats: string[]; monitoring: string[] };
  const ports = {
    nats: Number(new URL(parsed.nats[0]!).port),
    monitor: Number(new URL(parsed.monitoring[0]!).port),
  };
  await waitFor(async () => {
    const answer = await fetch(`http://127.0.0.1:${ports.monitor}/healthz`).catch(() => undefined);
    return answer?.ok || undefined;
  });
  return ports;
}
