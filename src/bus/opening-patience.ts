/** The patience of everything that is asked of JetStream at the start: streams, stores, consumers. */
import { setTimeout as delay } from "node:timers/promises";
import { JetStreamApiError } from "@nats-io/jetstream";

/** How long something is tried, and the wait between two tries. */
const OPENING_MS = 15_000;
const OPENING_WAIT_MS = 250;

/**
 * Tries again what got no answer: a server that has just started, on a busy disk, may take longer than one
 * request waits. `work` must be idempotent. What JetStream refuses rejects at once; what gets no answer
 * for 15 s rejects with the last error.
 */
export async function withOpeningPatience<T>(work: () => Promise<T>): Promise<T> {
  for (const endMs = performance.now() + OPENING_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof JetStreamApiError || performance.now() > endMs) throw error;
      await delay(OPENING_WAIT_MS);
    }
  }
}
