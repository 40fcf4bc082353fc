/** What tells of deliveries: the attempt log of a node, and what the services need. */
import { maskConfig } from "../catalog/sink-kind.ts";
import { sinkDrivers } from "../sinks/index.ts";
import { openAttemptLog, type RunningAttemptLog } from "../watch/attempt-log.ts";
import type { WatchParts } from "../watch/watch-parts.ts";
import type { Closers } from "./closers.ts";
import type { Foundations } from "./foundations.ts";

const DAY_MS = 86_400_000;

/** Opens the attempt log: to be closed after delivery. */
export function openAttempts(
  { database, logger, config }: Foundations,
  closers: Closers,
): RunningAttemptLog {
  const log = openAttemptLog({
    database,
    logger,
    limits: {
      ageMs: config.TRIBUTARY_ATTEMPT_DAYS * DAY_MS,
      rows: config.TRIBUTARY_ATTEMPT_ROWS,
      bytes: config.TRIBUTARY_ATTEMPT_BYTES,
    },
    mask: (sink) => maskConfig(sinkDrivers, sink),
  });
  closers.add("attempt log", log.close);
  return log;
}

/** What the services work with. */
export function watchParts({
  database,
  snapshot,
  bus,
  templates,
  logger,
}: Foundations): WatchParts {
  return {
    database,
    definitions: snapshot,
    reader: bus.reader,
    templates,
    logger,
    now: Date.now,
  };
}
