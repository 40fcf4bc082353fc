import type { Logger } from "../../src/core/logger.ts";

/** A logger that keeps what is written at info and above, as `level message`. */
export function createTestLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    lines.push(`${level} ${message}${fields ? ` ${JSON.stringify(fields)}` : ""}`);
  };
  return {
    logger: { debug: () => undefined, info: at("info"), warn: at("warn"), error: at("error") },
    lines,
  };
}
