import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import { storageFull } from "./refusals.ts";
import type { SubjectNames } from "./subjects.ts";

/** What the owner of a shard tells all writers once a second while a log is full, and once when none is any more. */
export interface FullLogsNotice {
  /** Uids of the logs whose bytes are used up and may not be trimmed. */
  readonly logs: readonly string[];
}

/** Writers forget a notice after this time, in case the owner of the shard is gone. */
const NOTICE_TTL_MS = 10_000;
const STORAGE_CHECK_MS = 2_000;
/** Part of the storage above which pushes are refused, so that the disk never runs full. */
const STORAGE_SHARE = 0.87;

export interface RoomOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly shards: number;
  /** Bytes that JetStream may use; undefined: the limit of the account, when it has one. */
  readonly maxStorageBytes?: number | undefined;
}

/** Knows where the log may not grow. */
export interface Room {
  /**
   * Throws STREAM_FULL when the log, or the storage as a whole, has no room for a push of this size.
   * What this node has pushed since the storage was looked at counts too.
   */
  check(shard: number, logUid: string, bytes: number): void;
  /** Looks at the storage now; otherwise it happens every 2 s. */
  refresh(): Promise<void>;
  close(): void;
}

/** Listens to the owners of the shards and watches the storage until it is closed. */
export function watchRoom(options: RoomOptions): Room {
  const { nc, names } = options;
  const full = new Map<number, { logs: ReadonlySet<string>; endMs: number }>();
  const subscriptions = Array.from({ length: options.shards }, (_, shard) =>
    nc.subscribe(names.fullLogs(shard), {
      callback(error, message) {
        if (error) return;
        const { logs } = message.json<FullLogsNotice>();
        full.set(shard, { logs: new Set(logs), endMs: performance.now() + NOTICE_TTL_MS });
      },
    }),
  );
  let bytesLeft = Number.POSITIVE_INFINITY;
  const refresh = async () => {
    const info = await options.jsm.getAccountInfo().catch(() => undefined);
    if (!info) return;
    const limit = options.maxStorageBytes ?? info.limits.max_storage;
    bytesLeft = limit > 0 ? limit * STORAGE_SHARE - info.storage : Number.POSITIVE_INFINITY;
  };
  void refresh();
  const timer = setInterval(() => void refresh(), STORAGE_CHECK_MS);
  return {
    check(shard, logUid, bytes) {
      if (bytes > bytesLeft) throw storageFull();
      bytesLeft -= bytes;
      const notice = full.get(shard);
      if (notice?.logs.has(logUid) && notice.endMs > performance.now()) {
        throw fail(
          "STREAM_FULL",
          "the stream holds as many bytes as it may, and waits for its sinks",
          {
            retryAfterMs: 5_000,
          },
        );
      }
    },
    refresh,
    close() {
      clearInterval(timer);
      if (nc.isClosed()) return;
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
