import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { rememberChild } from "./orphan.ts";

/** How a server is started as a child of this process. */
export interface ChildOptions {
  command: string;
  args: readonly string[];
  /** Entered before the user changes, so it may lie where that user could not go by itself. */
  cwd?: string;
  /** The user to run as; left out, the child runs as we do. */
  user?: { uid: number; gid: number } | undefined;
  env?: Record<string, string>;
  /** The signal that asks this server for a clean stop; sent by the kernel when we die. */
  stopSignal: NodeJS.Signals;
  /** Where the child is written down at once, so that a start after our own crash can end it. */
  recordFile?: string | undefined;
  /** Called with each line the server writes. */
  onLine?: (line: string) => void;
}

/** A running child. */
export interface Child {
  readonly pid: number;
  /** Settles once, when the process is gone; it never rejects. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly isRunning: () => boolean;
  /** Sends a signal to a child that still runs; does nothing to one that is gone. */
  kill(signal: NodeJS.Signals): void;
  /** Asks for a clean stop and kills after `graceMs`; settles when the process is gone. */
  stop(graceMs?: number): Promise<void>;
}

let deathSignal: Promise<boolean> | undefined;

/** Whether this system has a `setpriv` that passes on a parent's death (util-linux; not busybox). */
function hasDeathSignal(): Promise<boolean> {
  deathSignal ??= new Promise((resolve) => {
    execFile("setpriv", ["--pdeathsig=TERM", "--", "true"], { timeout: 5_000 }, (error) =>
      resolve(error === null),
    );
  });
  return deathSignal;
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C in a terminal reaches us alone and
 * we stop it after our own work has drained. Where Linux has `setpriv`, the kernel signals the
 * child when we die in any way, kill -9 too; `endOrphans` serves the systems without it.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const [command, args] = (await hasDeathSignal())
    ? [
        "setpriv",
        [`--pdeathsig=${options.stopSignal.slice(3)}`, "--", options.command, ...options.args],
      ]
    : [options.command, [...options.args]];
  const spawnOptions: SpawnOptions = {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user ?? {}),
    ...(options.env === undefined ? {} : { env: options.env }),
  };
  const child = spawn(command, args, spawnOptions);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  readLines(child, options.onLine);
  if (options.recordFile) await rememberChild(options.recordFile, child.pid!, options.stopSignal);
  return describeChild(child, exited, options.stopSignal);
}

function readLines(child: ChildProcess, onLine?: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    stream.on("error", () => undefined);
    createInterface({ input: stream }).on("line", (line) => onLine?.(line));
  }
}

function describeChild(
  child: ChildProcess,
  exited: Child["exited"],
  stopSignal: NodeJS.Signals,
): Child {
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const kill = (signal: NodeJS.Signals) => {
    if (isRunning()) child.kill(signal);
  };
  return {
    pid: child.pid!,
    exited,
    isRunning,
    kill,
    async stop(graceMs = 10_000) {
      kill(stopSignal);
      const timer = setTimeout(() => kill("SIGKILL"), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
