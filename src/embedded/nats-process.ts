import { readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../core/start-error.ts";
import { type Child, startChild } from "./child.ts";

/** The TCP ports of a nats-server on 127.0.0.1. In a wish, -1 lets the server pick a free one. */
export interface NatsPorts {
  client: number;
  monitor: number;
}

export interface NatsProcessOptions {
  binary: string;
  /** The configuration file; its `ports_file_dir` must be `portsFolder`. */
  configFile: string;
  portsFolder: string;
  /** See ChildOptions. */
  recordFile?: string;
  onLine?: ((line: string) => void) | undefined;
  /** How long the server may take to be ready; 10 minutes by default. */
  startTimeoutMs?: number | undefined;
}

/** After a crash the server reads through its store, which takes minutes for very large ones. */
const startTimeoutMs = 600_000;

/**
 * Starts nats-server and settles when JetStream is ready, with the ports that the server itself wrote
 * down once it listened, so that no port is chosen before it is taken. Throws with its last lines.
 */
export async function startNatsProcess(
  options: NatsProcessOptions,
): Promise<{ child: Child; ports: NatsPorts }> {
  const lines: string[] = [];
  const child = await startChild({
    command: options.binary,
    args: ["-c", options.configFile],
    stopSignal: "SIGTERM",
    recordFile: options.recordFile,
    onLine(line) {
      if (lines.push(line) > 20) lines.shift();
      options.onLine?.(line);
    },
  });
  // The server names this file after its program and process.
  const portsFile = join(options.portsFolder, `${basename(options.binary)}_${child.pid}.ports`);
  // The server removes it itself unless it was killed.
  void child.exited.then(() => rm(portsFile, { force: true }).catch(() => undefined));
  try {
    const end = performance.now() + (options.startTimeoutMs ?? startTimeoutMs);
    for (;;) {
      if (!child.isRunning()) throw new Error("nats-server ended while it started");
      const ports = await readPorts(portsFile);
      if (ports && (await isHealthy(ports.monitor))) return { child, ports };
      if (performance.now() > end) throw new Error("nats-server was not ready in time");
      await delay(10);
    }
  } catch (error) {
    await child.stop(2_000);
    throw new StartError(`${(error as Error).message}:\n${lines.join("\n")}`, { cause: error });
  }
}

async function readPorts(file: string): Promise<NatsPorts | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  if (!text.trimEnd().endsWith("}")) return undefined;
  const { nats, monitoring } = JSON.parse(text) as { nats: string[]; monitoring: string[] };
  return {
    client: Number(new URL(nats[0]!).port),
    monitor: Number(new URL(monitoring[0]!).port),
  };
}

async function isHealthy(monitorPort: number): Promise<boolean> {
  return (await checkNatsHealth(monitorPort)) === undefined;
}

/** How `checkNatsHealth` begins when the server said nothing. */
export const noAnswer = "no answer";

/** Undefined when the server is well, else what its /healthz says or why it gave no answer in 2 s. */
export async function checkNatsHealth(monitorPort: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/healthz`, {
      signal: AbortSignal.timeout(2_000),
    });
    return response.ok ? void (await response.body?.cancel()) : await response.text();
  } catch (error) {
    return `${noAnswer}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
