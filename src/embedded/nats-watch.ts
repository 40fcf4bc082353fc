import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../core/logger.ts";
import { checkNatsHealth, noAnswer } from "./nats-process.ts";
import { findFreeBytes } from "./store-size.ts";

export interface NatsWatchOptions {
  /** The folder of the log, for its disk's free space. */
  folder: string;
  monitorPort: number;
  logger: Logger;
  restart: (why: string) => Promise<void>;
}

/** A watch over nats-server's health. */
export interface NatsWatch {
  /** What /healthz last complained about; undefined when the server is well. */
  readonly fault: string | undefined;
  close(): Promise<void>;
}

const everyMs = 1_000;
/** A restart on a disk without room would only take reads away as well. */
const leastFreeBytes = 64 * 1024 * 1024;
/** A server that lives but has said nothing for this long is stuck. */
const stuckMs = 30_000;
const leastBetweenRestartsMs = 15_000;

/**
 * Asks for the server's health every second and restarts it when it is stuck or after a write error. On a full disk
 * nats-server stops answering publishes and does not recover when space is freed, but a restart
 * brings it back with all that it acknowledged.
 */
export function watchNatsHealth(options: NatsWatchOptions): NatsWatch {
  const { folder, monitorPort, logger, restart } = options;
  const closing = new AbortController();
  let fault: string | undefined;
  let saidFault: string | undefined;
  let answeredAt = performance.now();
  let restartedAt = Number.NEGATIVE_INFINITY;
  const check = async () => {
    const found = await checkNatsHealth(monitorPort);
    // While a stream is being made the server says for a moment that it could not be recovered.
    if (found !== undefined && found === fault && found !== saidFault) {
      logger.warn("nats-server is not well", { health: found });
    }
    if (found === undefined || found === fault) saidFault = found;
    fault = found;
    if (!fault?.startsWith(noAnswer)) answeredAt = performance.now();
    const isStuck = performance.now() - answeredAt > stuckMs;
    if (!fault || !(isStuck || /write error/i.test(fault))) return;
    if (performance.now() - restartedAt < leastBetweenRestartsMs) return;
    if ((await findFreeBytes(folder)) < leastFreeBytes) return;
    restartedAt = performance.now();
    await restart(fault);
  };
  const run = async () => {
    while (!closing.signal.aborted) {
      await delay(everyMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (closing.signal.aborted) return;
      await check().catch((error: unknown) => {
        logger.error("the health of nats-server could not be checked", { error: String(error) });
      });
    }
  };
  const running = run();
  return {
    get fault() {
      return fault;
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}
