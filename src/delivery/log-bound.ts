/**
 * The end of a log as one sink sees it. A sink that was handed over at a sequence is shown nothing from
 * there on: to it the log ends, so what it counts, plans and reports ends there too.
 */
import type { LogReader } from "../core/log.ts";
import type { ShardEdge } from "./feed.ts";

/** The view of one sink. */
export interface LogBound {
  /** First sequence that is not shown; Infinity for none. */
  end: number;
  /** The edge of the shard, below the end. */
  readonly edge: ShardEdge;
  /** Reads what stands below the end. */
  readonly reader: LogReader;
}

/** A view without an end. */
export function createLogBound(shard: Readonly<ShardEdge>, reader: LogReader): LogBound {
  const bound: LogBound = {
    end: Number.POSITIVE_INFINITY,
    edge: {
      get sequence() {
        return Math.min(shard.sequence, bound.end - 1);
      },
    },
    reader: {
      async read(log, options) {
        if (options.fromSequence >= bound.end) return [];
        const messages = await reader.read(log, options);
        return messages.filter(({ sequence }) => sequence < bound.end);
      },
      async info(log) {
        const info = await reader.info(log);
        return { ...info, lastSequence: Math.min(info.lastSequence, bound.end - 1) };
      },
      sequenceAt: (log, timeMs) => reader.sequenceAt(log, timeMs),
    },
  };
  return bound;
}
