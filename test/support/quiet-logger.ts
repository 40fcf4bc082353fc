import type { Logger } from "../../src/core/logger.ts";

/** A logger that says nothing. */
export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
