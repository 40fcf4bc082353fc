import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogInfo, LogReader } from "../core/log.ts";
import { askAgain } from "./asked-again.ts";
import type { BusConnection } from "./connection.ts";
import { directGet } from "./direct-get.ts";
import { getStoredMessage } from "./stored-message.ts";
import type { SubjectNames } from "./subjects.ts";

export interface LogReaderOptions {
  readonly connection: BusConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  /**
   * Bytes of a log by the retention keeper's account; undefined where nobody keeps one, then `info`
   * estimates them from the average message of the shard.
   */
  readonly bytesOf?: (shard: number, logUid: string) => number | undefined;
}

/** How long a request waits for a connection before it is sent, and fails by itself. */
const READ_WAIT_MS = 1_000;

/** Opens a reader of stored messages. It holds nothing between calls. */
export function createLogReader(options: LogReaderOptions): LogReader {
  const { connection, names } = options;
  return {
    read(log, { fromSequence, maxMessages, maxBytes, signal }) {
      return directGet(connection, {
        stream: names.shardStream(log.shard),
        filter: names.recordsOfLog(log.shard, log.uid),
        from: { sequence: fromSequence },
        maxMessages,
        maxBytes,
        signal,
      });
    },
    info: (log) => readInfo(log, options).catch(rethrowUnavailable),
    async sequenceAt(log, timeMs) {
      const [first] = await directGet(connection, {
        stream: names.shardStream(log.shard),
        filter: names.recordsOfLog(log.shard, log.uid),
        from: { timeMs },
        maxMessages: 1,
        maxBytes: 1,
      });
      if (first) return first.sequence;
      const info = await askAgain(() =>
        options.jsm.streams.info(names.shardStream(log.shard)),
      ).catch(rethrowUnavailable);
      return info.state.last_seq + 1;
    },
  };
}

async function readInfo(
  log: { readonly shard: number; readonly uid: string },
  options: LogReaderOptions,
): Promise<LogInfo> {
  const { connection, jsm, names } = options;
  await connection.whenConnected(READ_WAIT_MS);
  const stream = names.shardStream(log.shard);
  const filter = names.recordsOfLog(log.shard, log.uid);
  const [first, last] = await Promise.all([
    getStoredMessage(jsm, stream, { seq: 1, next_by_subj: filter }),
    getStoredMessage(jsm, stream, { last_by_subj: filter }),
  ]);
  const { state, created } = await askAgain(() =>
    jsm.streams.info(stream, { subjects_filter: filter }),
  );
  const messages = Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  return {
    firstSequence: first?.sequence ?? state.last_seq + 1,
    lastSequence: last?.sequence ?? 0,
    shardLastSequence: state.last_seq,
    identity: String(created),
    messages,
    bytes:
      options.bytesOf?.(log.shard, log.uid) ??
      Math.round((messages * state.bytes) / Math.max(1, state.messages)),
  };
}

function rethrowUnavailable(cause: unknown): never {
  throw fail("LOG_UNAVAILABLE", "the log cannot be read now", { retryAfterMs: 1_000, cause });
}
