import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import { askAgain } from "./asked-again.ts";
import type { BusConnection } from "./connection.ts";
import { directGet } from "./direct-get.ts";
import { getStoredMessage } from "./stored-message.ts";
import type { SubjectNames } from "./subjects.ts";

/** Reads the stored messages of a shard, of all its logs. */
export interface ShardReader {
  /**
   * Messages from a sequence on, ascending; at most `maxMessages` and about `maxBytes`. Empty when there
   * is none yet, or when a replica answered that is behind: then `info` knows better. Fails with
   * LOG_UNAVAILABLE.
   */
  read(
    shard: number,
    options: {
      readonly fromSequence: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
      readonly signal?: AbortSignal;
    },
  ): Promise<LogMessage[]>;
  info(shard: number): Promise<ShardInfo>;
}

/** What a shard holds, as its leader knows it. */
export interface ShardInfo {
  /** Newest sequence of a message with records; 0 when there is none. */
  readonly lastSequence: number;
  /** Newest sequence that was given at all: to a claim too, or to a message that is gone. */
  readonly endSequence: number;
  /** Tells this shard from one made anew in its place. */
  readonly identity: string;
}

/** Opens a reader of shards. It holds nothing between calls. */
export function createShardReader(options: {
  readonly connection: BusConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
}): ShardReader {
  const { connection, jsm, names } = options;
  return {
    read: (shard, { fromSequence, ...limits }) =>
      directGet(connection, {
        stream: names.shardStream(shard),
        filter: names.recordsOfShard(shard),
        from: { sequence: fromSequence },
        ...limits,
      }),
    async info(shard) {
      const stream = names.shardStream(shard);
      try {
        const last = await getStoredMessage(jsm, stream, {
          last_by_subj: names.recordsOfShard(shard),
        });
        const { created, state } = await askAgain(() => jsm.streams.info(stream));
        return {
          lastSequence: last?.sequence ?? 0,
          endSequence: state.last_seq,
          identity: String(created),
        };
      } catch (cause) {
        throw fail("LOG_UNAVAILABLE", "the shard cannot be read now", {
          retryAfterMs: 1_000,
          cause,
        });
      }
    },
  };
}
