import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { LogReader, LogWriter } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import {
  type BusConnection,
  checkDurability,
  type Durability,
  openBusConnection,
  openNextConnection,
} from "./connection.ts";
import { type FollowLogOptions, followLog } from "./follow-log.ts";
import { sealGeneration } from "./generation-seal.ts";
import { type KeyedLog, openKeyedLog } from "./keyed-log.ts";
import { type KeyedStore, type KeyedStoreOptions, openKeyedStore } from "./keyed-store.ts";
import { createLogCounts, type LogCounts } from "./log-counts.ts";
import { createLogReader } from "./log-reader.ts";
import { createLogWriter } from "./log-writer.ts";
import { createNodeQuestions, type NodeQuestions } from "./node-questions.ts";
import { createPublisher } from "./publisher.ts";
import { type Retention, type RetentionOptions, startRetention } from "./retention.ts";
import { watchRoom } from "./room.ts";
import { followShard, type ShardFollower, type ShardListener } from "./shard-owner.ts";
import { createShardReader, type ShardReader } from "./shard-reader.ts";
import { createSubjectNames, type SubjectNames } from "./subjects.ts";
import { ensureShards, MAX_BLOCK_BYTES } from "./topology.ts";

export interface BusOptions {
  /** One or several `nats://host:port` of one cluster, separated by commas. */
  readonly url: string;
  readonly user?: string;
  readonly password?: string;
  /** Number of shards; 8. */
  readonly shards?: number;
  /** Copies of each stream: 1 (the default) on one node, 3 on a cluster. */
  readonly replicas?: number;
  /** First token of all subjects and stream names; `tributary`. */
  readonly namespace?: string;
  /** How long idempotency ids are known; 2 minutes. */
  readonly duplicateWindowMs?: number;
  /** Bytes of each shard; no limit but the server's when left out. */
  readonly maxBytesPerShard?: number;
  /** Bytes that JetStream may use: pushes are refused above 87 % of it. */
  readonly maxStorageBytes?: number;
  /** `http://host:port` of the monitoring page of nats-server, to learn how durable it is. */
  readonly monitorUrl?: string;
  /** Bytes of the calls that wait for their answer; 64 MiB. */
  readonly maxBytesInFlight?: number;
  readonly logger: Logger;
}

/** Everything that other parts do with NATS. */
export interface Bus {
  readonly writer: LogWriter;
  readonly reader: LogReader;
  /** See `shard-reader.ts`. */
  readonly shardReader: ShardReader;
  /** Whether a power cut can lose acknowledged records. */
  readonly durability: Durability;
  readonly shards: number;
  isConnected(): boolean;
  /** Calls back when nats-server goes and comes; the function returned ends it. */
  onConnection(listener: (isConnected: boolean) => void): () => void;
  /** See `generation-seal.ts`. */
  sealGeneration(log: {
    readonly shard: number;
    readonly uid: string;
    readonly generation: number;
  }): Promise<number>;
  /** Removes a log with all its records and seals, for good. */
  deleteLog(log: { readonly shard: number; readonly uid: string }): Promise<void>;
  /** See `shard-owner.ts`. */
  followShard(shard: number, listener: ShardListener): Promise<ShardFollower>;
  /** See `follow-log.ts`. */
  followLog(
    log: { readonly shard: number; readonly uid: string },
    options: FollowLogOptions,
  ): Promise<void>;
  /** See `keyed-store.ts`. */
  openKeyedStore(name: string, options?: KeyedStoreOptions): Promise<KeyedStore>;
  /** See `keyed-log.ts`. */
  openKeyedLog(name: string): Promise<KeyedLog>;
  /** See `retention.ts`; run it where the shard is owned. */
  startRetention(options: RetentionOptions): Retention;
  /** See `node-questions.ts`. */
  readonly nodes: NodeQuestions;
  /** What the writer has done since the start. */
  readonly counts: LogCounts;
  /** Bytes of the calls that wait for their answer. */
  bytesInFlight(): number;
  /** Ends calls without an answer and closes the connection. Idempotent. */
  close(): Promise<void>;
}

/** Connects, checks the server, and makes the streams. Fails when there is no server or it will not do. */
export async function createBus(options: BusOptions): Promise<Bus> {
  const connection = await openBusConnection(options);
  let next: BusConnection | undefined;
  try {
    next = await openNextConnection(options);
    return await openBus({ connection, next }, options);
  } catch (error) {
    await next?.close();
    await connection.close();
    throw error;
  }
}

/** Connections of a bus: all use the first one, and large calls the next, so that nothing waits for them. */
interface Connections {
  readonly connection: BusConnection;
  readonly next: BusConnection;
}

async function openBus({ connection, next }: Connections, options: BusOptions): Promise<Bus> {
  const { nc } = connection;
  const { logger, shards = 8, replicas = 1 } = options;
  const names = createSubjectNames(options.namespace);
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 4_000 });
  const lastSequences = await ensureShards(jsm, {
    ...options,
    names,
    shards,
    replicas,
    duplicateWindowMs: options.duplicateWindowMs ?? 120_000,
  });
  const found = await checkDurability(options.monitorUrl);
  // A quorum of nodes is as good as a sync.
  const durability: Durability = replicas > 1 ? { ...found, isPowerSafe: true } : found;
  if (durability.warning && replicas === 1) logger.warn(durability.warning);
  const publisher = createPublisher(connection);
  const large = { connection: next, publisher: createPublisher(next, { inSlices: true }) };
  const maxStorageBytes = options.maxStorageBytes ?? durability.maxStorageBytes;
  const room = watchRoom({ ...options, nc, jsm, names, shards, maxStorageBytes });
  await room.refresh();
  const accounts = createAccounts();
  const keyed = { replicas, connection, publisher, jsm, names };
  const counts = createLogCounts();
  const writer = createLogWriter({
    ...options,
    ...keyed,
    ...{ large, counts },
    shards,
    lastSequences,
    maxBlockBytes: MAX_BLOCK_BYTES,
    checkRoom: room.check,
  });
  let closing: Promise<void> | undefined;
  return {
    writer,
    reader: createLogReader({ connection, jsm, names, bytesOf: accounts.bytesOf }),
    shardReader: createShardReader({ connection, jsm, names }),
    ...{ durability, shards, counts },
    isConnected: connection.isConnected,
    onConnection: connection.onChange,
    sealGeneration: (log) => sealGeneration(log, { publisher, jsm, names }),
    deleteLog: (log) => deleteLog(log, jsm, names),
    followShard: (shard, listener) =>
      followShard(shard, { connection, jsm, names, publisher, listener, logger }),
    followLog: (log, follow) => followLog(log, { ...follow, jsm, names }),
    openKeyedStore: (name, store = {}) => {
      const maxBytes = store.maxBytes && shareOf(maxStorageBytes, store.maxBytes);
      return openKeyedStore(name, { ...store, ...(maxBytes && { maxBytes }), ...keyed });
    },
    openKeyedLog: (name) => openKeyedLog(name, keyed),
    startRetention: (retention) =>
      accounts.add(startRetention({ ...retention, nc, jsm, names, logger })),
    nodes: createNodeQuestions(nc, names),
    bytesInFlight: writer.bytesInFlight,
    close() {
      closing ??= (async () => {
        room.close();
        await writer.close();
        for (const each of [publisher, large.publisher]) each.close();
        await Promise.all([connection.close(), next.close()]);
      })();
      return closing;
    },
  };
}

/**
 * JetStream reserves the bytes of a limited stream when it is made, and refuses what it has not: a store
 * gets a sixteenth of a small disk at most. A power of two, so that a start on a fuller disk changes nothing.
 */
function shareOf(maxStorageBytes: number | undefined, wantedBytes: number): number {
  if (maxStorageBytes === undefined) return wantedBytes;
  return Math.min(wantedBytes, 2 ** Math.floor(Math.log2(Math.max(1, maxStorageBytes / 16))));
}

async function deleteLog(
  log: { readonly shard: number; readonly uid: string },
  jsm: JetStreamManager,
  names: SubjectNames,
): Promise<void> {
  const stream = names.shardStream(log.shard);
  await jsm.streams.purge(stream, { filter: names.recordsOfLog(log.shard, log.uid) });
  await jsm.streams.purge(stream, { filter: names.sealsOfLog(log.shard, log.uid) });
}

/** The accounts of the retention keepers that run on this node. */
function createAccounts() {
  const byShard = new Map<number, Retention>();
  return {
    bytesOf: (shard: number, logUid: string) => byShard.get(shard)?.accountOf(logUid)?.bytes,
    add(retention: Retention): Retention {
      byShard.set(retention.shard, retention);
      return {
        ...retention,
        async close() {
          if (byShard.get(retention.shard) === retention) byShard.delete(retention.shard);
          await retention.close();
        },
      };
    },
  };
}
