/** The public face of the bus: the log on NATS JetStream. */
export type { BusConnectionOptions, Durability } from "./connection.ts";
export { type Bus, type BusOptions, createBus } from "./create-bus.ts";
export type { FollowLogOptions } from "./follow-log.ts";
export type { KeyedLog, KeyedPage, TimedEntry } from "./keyed-log.ts";
export {
  type KeyedEntry,
  type KeyedStore,
  type KeyedStoreOptions,
  type KeyedWrite,
  StaleKeysError,
} from "./keyed-store.ts";
export type { LaneCounts, LogCounts } from "./log-counts.ts";
export type { NodeQuestions } from "./node-questions.ts";
export type { LogAccount, LogLimits, Retention, RetentionOptions } from "./retention.ts";
export type { Ownership, ShardFollower, ShardListener } from "./shard-owner.ts";
export type { ShardInfo, ShardReader } from "./shard-reader.ts";
export {
  openStreamSnapshots,
  type StreamDescription,
  type StreamSnapshots,
  type StreamState,
} from "./stream-snapshot.ts";
