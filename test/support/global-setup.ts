import type { TestProject } from "vitest/node";
import { startTestNats } from "./nats.ts";
import { startTestPostgres } from "./postgres.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Superuser URL of the run's shared Postgres; see `createTestDatabase`. */
    postgresUrl: string;
    /** URL of the run's shared nats-server, for files that need only names of their own on it. */
    natsUrl: string;
  }
}

/** Starts the servers that test files share; files that kill servers start their own. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, nats] = await Promise.all([startTestPostgres(), startTestNats()]);
  project.provide("postgresUrl", postgres.url);
  project.provide("natsUrl", nats.url);
  return async () => {
    await Promise.all([postgres.close(), nats.close()]);
  };
}
