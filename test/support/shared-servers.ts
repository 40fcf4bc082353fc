import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { createDatabase } from "./postgres.ts";

/**
 * An empty database of its own on the run's shared Postgres, as a superuser URL. Nobody needs to drop
 * it: the server's data goes with the run.
 */
export function createTestDatabase(options?: { template?: string }): Promise<string> {
  return createDatabase(inject("postgresUrl"), undefined, options);
}

/**
 * The run's shared nats-server, with a random lower-case prefix for the names of streams and subjects,
 * so that files do not meet. A file that counts all streams, fills the disk or kills the server starts
 * its own with `startTestNats` (0.1 s).
 */
export function useSharedNats(): { url: string; prefix: string } {
  return { url: inject("natsUrl"), prefix: `t${randomBytes(5).toString("hex")}` };
}
