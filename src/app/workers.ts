/**
 * More processes of this node on the same port (SO_REUSEPORT: the kernel shares connections out). Each is
 * a full node, and they share what nodes share; this one starts them, starts again what ends by itself,
 * and ends them all. They never outlive it: each ends when its channel to this process does.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Logger } from "../core/logger.ts";
import { StartError } from "../core/start-error.ts";
import type { Embedded } from "../embedded/index.ts";

/** What a worker is told first. */
export interface WorkerTask {
  /** The port that all share. */
  readonly port: number;
  /** Servers that the first process runs for all. */
  readonly embedded: Pick<Embedded, "nats" | "postgres"> | undefined;
  /** Which of the processes it is, from 1: the first one is 0. */
  readonly worker: number;
}

/** Worker processes. */
export interface Workers {
  /** Starts them and waits until all are ready. Fails with a StartError. */
  start(task: Omit<WorkerTask, "worker">): Promise<void>;
  /** Tells them to drain and end; does not wait. Idempotent. */
  stop(): void;
  /** Waits until all have ended, and kills what has not within 8 s. */
  ended(): Promise<void>;
}

/** How the processes are started. */
export interface WorkersOptions {
  /** Processes beside this one. */
  readonly count: number;
  /** Program and words, `process.argv` without the first. */
  readonly command: readonly string[];
  readonly logger: Logger;
}

const READY_MS_MAX = 60_000;
const END_MS_MAX = 8_000;
/** Waits before a worker that ended is started again: doubled each time it ends young. */
const RESTART_MS = { first: 500, most: 30_000, youngMs: 60_000 };

interface Slot {
  child: ChildProcess | undefined;
  isReady: boolean;
  restart: NodeJS.Timeout | undefined;
  waitMs: number;
}

/** Makes the workers; none runs yet. */
export function createWorkers({ count, command, logger }: WorkersOptions): Workers {
  const slots: Slot[] = Array.from({ length: count }, () => ({
    child: undefined,
    isReady: false,
    restart: undefined,
    waitMs: RESTART_MS.first,
  }));
  let isStopping = false;
  const launch = (slot: Slot, task: Omit<WorkerTask, "worker">): Promise<void> => {
    const [program = "", ...words] = command;
    const child = fork(program, [...words, "--as-worker"]);
    const startedAt = performance.now();
    slot.child = child;
    child.send({ ...task, worker: slots.indexOf(slot) + 1 } satisfies WorkerTask);
    child.once("exit", (code, signal) => {
      slot.child = undefined;
      slot.isReady = false;
      if (isStopping) return;
      const isYoung = performance.now() - startedAt < RESTART_MS.youngMs;
      slot.waitMs = isYoung ? Math.min(slot.waitMs * 2, RESTART_MS.most) : RESTART_MS.first;
      logger.error("a worker ended; it is started again", { pid: child.pid, code, signal });
      slot.restart = setTimeout(() => {
        launch(slot, task).catch((error: unknown) => {
          if (!isStopping) logger.error("no worker", { error });
        });
      }, slot.waitMs);
    });
    return untilReady(child).then(() => {
      slot.isReady = true;
    });
  };
  return {
    start: async (task) => {
      await Promise.all(slots.map((slot) => launch(slot, task)));
    },
    stop() {
      isStopping = true;
      for (const { child, isReady, restart } of slots) {
        clearTimeout(restart);
        // One that only loads its modules would hear of the end when it is through, and has nothing to drain.
        if (!isReady) child?.kill("SIGKILL");
        else if (child?.connected) child.disconnect();
      }
    },
    ended: async () => {
      await Promise.all(slots.map(({ child }) => child && untilEnded(child)));
    },
  };
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string) => () => {
      clearTimeout(timer);
      reject(
        new StartError(`a worker process ${why}: see its messages, or start with one process`),
      );
    };
    const timer = setTimeout(refuse("is not ready after 60 s"), READY_MS_MAX);
    child.once("error", refuse("cannot be started"));
    child.once("exit", refuse("ended at its start"));
    child.once("message", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function untilEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS_MAX);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
