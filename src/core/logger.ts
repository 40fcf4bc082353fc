/**
 * What every part logs through, so that nothing in src writes to the console by itself.
 * `fields` are structured values beside the message; they never hold secrets or record contents.
 */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** Levels from the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** One of the levels. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger that gives JSON lines to `write`; lines below `level` are dropped. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly write: (line: string) => void;
  readonly now?: () => number;
}): Logger {
  const least = LOG_LEVELS.indexOf(options.level);
  const now = options.now ?? Date.now;
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    const time = new Date(now()).toISOString();
    options.write(JSON.stringify({ time, level, message, ...describeErrors(fields) }));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Errors become text: JSON.stringify would make `{}` of them. */
function describeErrors(fields: Record<string, unknown> | undefined): Record<string, unknown> {
  if (!fields) return {};
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? (value.stack ?? value.message) : value,
    ]),
  );
}

/** Drops everything. */
export const silentLogger: Logger = createLogger({ level: "silent", write: () => {} });
