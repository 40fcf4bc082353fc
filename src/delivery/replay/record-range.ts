/**
 * Records of a part of a log, in the order of the log. What reads records by range (replays, reports
 * of migrations) takes a `RangeReader`, so records that have left the log and are kept elsewhere join
 * here: a reader that asks the archive first and the log for the rest.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LogMessage, LogReader } from "../../core/log.ts";
import { decodeRows, type LaneRow } from "../lane-row.ts";

/** Messages of one log, by sequence; both ends included. */
export interface RecordRange {
  readonly log: { readonly shard: number; readonly uid: string };
  readonly first: number;
  readonly last: number;
}

/** The next records of a range. */
export interface RangePage {
  /** Records of whole messages, ascending by place; each with the partition of its message. */
  readonly messages: readonly RangeMessage[];
  /** First sequence that is not read; above `last` at the end. */
  readonly next: number;
}

/** The records of one message. */
export interface RangeMessage {
  readonly partition: number;
  readonly generation: number;
  readonly rows: readonly LaneRow[];
}

/** Reads ranges. */
export interface RangeReader {
  /** The first records of a range, about 2 MiB of them. Fails with LOG_UNAVAILABLE or LOG_CORRUPT. */
  read(range: RecordRange, signal: AbortSignal): Promise<RangePage>;
}

const READ_MESSAGES = 256;
const READ_BYTES = 2 * 1024 * 1024;
/** How long a replica that is behind is given. */
const BEHIND_MS = 20;

/** Reads ranges of the log alone: what retention has taken is passed over. */
export function createRangeReader(reader: Pick<LogReader, "read" | "info">): RangeReader {
  return {
    async read({ log, first, last }, signal) {
      for (;;) {
        const messages = await reader.read(log, {
          fromSequence: first,
          maxMessages: Math.min(READ_MESSAGES, last - first + 1),
          maxBytes: READ_BYTES,
          signal,
        });
        const wanted = messages.filter(({ sequence }) => sequence <= last);
        if (wanted.length > 0) return pageOf(wanted);
        // An empty answer may be that of a replica that is behind: the leader knows what there is.
        const { lastSequence } = await reader.info(log);
        if (messages.length > 0 || lastSequence < first) return { messages: [], next: last + 1 };
        await delay(BEHIND_MS, undefined, { signal });
      }
    },
  };
}

function pageOf(messages: readonly LogMessage[]): RangePage {
  return {
    messages: messages.map((message) => ({
      partition: message.partition,
      generation: message.generation,
      rows: decodeRows(message),
    })),
    next: messages.at(-1)!.sequence + 1,
  };
}
