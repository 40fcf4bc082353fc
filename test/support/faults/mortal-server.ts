/**
 * A program: the server, which ends itself with -9 where delivery passes a point for the nth time.
 * `node mortal-server.ts <point> <n>`
 */
import { startApp } from "../../../src/app.ts";
import { formatBanner } from "../../../src/banner.ts";
import { loadConfig } from "../../../src/config.ts";
import { createLogger } from "../../../src/core/logger.ts";

const [point, passes] = process.argv.slice(2);
const beganAt = performance.now();
let left = Number(passes);
const config = loadConfig();
const logger = createLogger({
  level: config.LOG_LEVEL,
  write: (line) => process.stderr.write(`${line}\n`),
});
const app = await startApp({
  config,
  logger,
  onProgress: () => undefined,
  at: (reached) => {
    if (reached === point && --left === 0) process.kill(process.pid, "SIGKILL");
  },
});
process.on("SIGTERM", () => void app.close().finally(() => process.exit(0)));
process.stdout.write(
  formatBanner({ ...app.facts, seconds: (performance.now() - beganAt) / 1_000 }),
);
