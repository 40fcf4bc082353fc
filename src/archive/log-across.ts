/** One reader for archive and log: what the log has no more is read from the archive. */
import { fail } from "../core/errors.ts";
import type { LogInfo, LogMessage, LogReader } from "../core/log.ts";
import type { ArchiveReader } from "./archive-reader.ts";
import type { ArchiveSpan } from "./archive-store.ts";

/** What reading across needs. */
export interface AcrossOptions {
  readonly log: LogReader;
  readonly archive: ArchiveReader;
  /** Whether a log has, or had, an archive: others cost nothing. */
  readonly isArchived: (logUid: string) => boolean;
}

/**
 * Makes the reader. Records are read from the log as long as it has them. Its beginning is looked at
 * after each read that could have missed something: it only ever moves up, so what was not missed then
 * was not missed before.
 */
export function readAcross({ log: reader, archive, isArchived }: AcrossOptions): LogReader {
  const spans = new Map<string, ArchiveSpan | undefined>();
  /** What was known last will do while Postgres is away: deliveries at the edge do not wait for it. */
  const spanOf = async (logUid: string) => {
    try {
      const span = await archive.span(logUid);
      spans.set(logUid, span);
      return span;
    } catch (error) {
      if (!spans.has(logUid)) throw error;
      return spans.get(logUid);
    }
  };
  return {
    async read(log, options) {
      const messages = await reader.read(log, options);
      if (messages[0]?.sequence === options.fromSequence || !isArchived(log.uid)) return messages;
      const { firstSequence } = await reader.info(log);
      if (firstSequence <= options.fromSequence) return messages;
      const { fromSequence, maxMessages, maxBytes } = options;
      const range = { logUid: log.uid, fromSequence, maxMessages, maxBytes };
      const archived = await unlessDown(archive.readArchived(range));
      return archived.length > 0 ? archived : onlyFrom(messages, fromSequence);
    },
    async info(log) {
      const info = await reader.info(log);
      if (!isArchived(log.uid)) return info;
      const span = await unlessDown(spanOf(log.uid));
      return span ? joined(info, span) : info;
    },
    async sequenceAt(log, timeMs) {
      if (isArchived(log.uid)) {
        const found = await unlessDown(archive.sequenceAt(log.uid, timeMs));
        if (found !== undefined) return found;
      }
      return await reader.sequenceAt(log, timeMs);
    },
  };
}

function joined(info: LogInfo, { first, last }: ArchiveSpan): LogInfo {
  const firstSequence = Math.min(info.firstSequence, first);
  return { ...info, firstSequence, lastSequence: Math.max(info.lastSequence, last) };
}

function onlyFrom(messages: LogMessage[], sequence: number): LogMessage[] {
  return messages.filter((message) => message.sequence >= sequence);
}

async function unlessDown<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail("LOG_UNAVAILABLE", `the archive cannot be read now: ${why}`, {
      retryAfterMs: 5_000,
      cause,
    });
  }
}
