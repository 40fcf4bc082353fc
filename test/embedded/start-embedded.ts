/** Starts the embedded servers on the data directory named by the first argument, and stays. */
import { startEmbedded } from "../../src/embedded/index.ts";
import { testCacheDir } from "../support/nats.ts";
import { createTestLogger } from "../support/test-logger.ts";

const dataDir = process.argv[2]!;
const { logger, lines } = createTestLogger();
const began = performance.now();
try {
  const embedded = await startEmbedded({
    dataDir,
    cacheDir: testCacheDir,
    natsBinary: process.env.TRIBUTARY_NATS_SERVER,
    logger,
    want: { nats: true, postgres: true },
  });
  const ms = Math.round(performance.now() - began);
  const { nats, postgres } = embedded;
  const health = embedded.health();
  process.stdout.write(`${JSON.stringify({ ms, nats, postgres, health, lines })}\n`);
  process.once("SIGTERM", () => void embedded.close());
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
