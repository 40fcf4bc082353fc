import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../core/logger.ts";
import type { Child } from "./child.ts";
import { endOrphan } from "./orphan.ts";

export interface SupervisorOptions {
  /** For the log: `nats-server`, `postgres`. */
  name: string;
  /** Starts the server and settles when it takes connections, on the same port each time. */
  start: () => Promise<Child>;
  /** Where `start` writes its child down; one that is found there at first is ended. */
  recordFile: string;
  logger: Logger;
}

/** A server that is kept running. */
export interface SupervisedServer {
  readonly pid: number;
  readonly isReady: boolean;
  /** How often it was started again since the first start. */
  readonly restarts: number;
  /** Stops it cleanly; the supervisor starts it again at once. */
  restart(why: string): Promise<void>;
  /** Stops it for good; idempotent. */
  close(): Promise<void>;
}

const firstDelayMs = 50;
const longestDelayMs = 5_000;
/** A server that ran this long has recovered: its next crash is retried quickly again. */
const stableMs = 30_000;

/**
 * Starts a server and starts it again whenever it ends without being asked, after 50 ms at first and
 * then twice as long each time up to 5 s. It never gives up: what it serves has no other home.
 * Throws only when the first start fails.
 */
export async function superviseServer(options: SupervisorOptions): Promise<SupervisedServer> {
  const { name, start, logger, recordFile } = options;
  const orphan = await endOrphan(recordFile);
  if (orphan !== undefined)
    logger.warn(`ended a ${name} left by an earlier crash`, { pid: orphan });
  const closing = new AbortController();
  let restarts = 0;
  let isReady = true;
  let child = await start();

  const keepRunning = async () => {
    let delayMs = firstDelayMs;
    while (!closing.signal.aborted) {
      const began = performance.now();
      const end = await child.exited;
      if (closing.signal.aborted) return;
      isReady = false;
      logger.warn(`${name} ended and is started again`, { ...end, pid: child.pid });
      if (performance.now() - began > stableMs) delayMs = firstDelayMs;
      while (!isReady) {
        await delay(delayMs, undefined, { signal: closing.signal }).catch(() => undefined);
        if (closing.signal.aborted) return;
        delayMs = Math.min(delayMs * 2, longestDelayMs);
        const started = await start().catch((error: unknown) => {
          logger.error(`${name} could not be started again`, { error: String(error) });
        });
        if (!started) continue;
        child = started;
        isReady = true;
        restarts += 1;
        logger.info(`${name} runs again`, { pid: child.pid, restarts });
      }
    }
  };
  const kept = keepRunning();

  return {
    get pid() {
      return child.pid;
    },
    get isReady() {
      return isReady && child.isRunning();
    },
    get restarts() {
      return restarts;
    },
    async restart(why) {
      logger.warn(`${name} is restarted`, { why });
      await child.stop();
    },
    async close() {
      closing.abort();
      await child.stop();
      await kept;
      // A start that was under way when we began to close has put another child here.
      await child.stop();
      await rm(recordFile, { force: true });
    },
  };
}
