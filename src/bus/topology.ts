import { JetStreamApiError, type JetStreamManager, type StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import { StartError } from "../core/start-error.ts";
import { withOpeningPatience } from "./opening-patience.ts";
import type { SubjectNames } from "./subjects.ts";

/** Most bytes of a stored message with its headers; every server takes as much. */
export const MAX_STORED_BYTES = 1024 * 1024;
/** What headers and framing may take of that. */
const HEADER_ROOM = 16 * 1024;
/** Largest block of a call, which is one record of a little less. */
export const MAX_BLOCK_BYTES = MAX_STORED_BYTES - HEADER_ROOM;

export interface TopologyOptions {
  readonly names: SubjectNames;
  /** Number of shards; it may grow later, never shrink. */
  readonly shards: number;
  /** Copies of each stream: 1 on one node, 3 on a cluster. */
  readonly replicas: number;
  /** How long idempotency ids are known. */
  readonly duplicateWindowMs: number;
  /** Bytes of each shard; undefined for no limit but the server's. */
  readonly maxBytesPerShard?: number;
}

/**
 * Creates the streams of all shards, or brings existing ones to these options. Idempotent, also when
 * several nodes do it at once. Answers with the newest sequence of each shard. Fails with a StartError
 * when JetStream refuses, such as more copies than it has nodes, and with LOG_UNAVAILABLE when it has
 * no leader yet.
 */
export async function ensureShards(
  jsm: JetStreamManager,
  options: TopologyOptions,
): Promise<number[]> {
  try {
    return await Promise.all(
      Array.from({ length: options.shards }, async (_, shard) => {
        const state = await ensureStream(jsm, shardConfig(shard, options));
        return state.last_seq;
      }),
    );
  } catch (cause) {
    throw describeRefusal(cause, options);
  }
}

/** JetStream's code for an API that has no leader at the moment. */
const NOT_AVAILABLE = 10008;

function describeRefusal(cause: unknown, { shards, replicas }: TopologyOptions): unknown {
  if (!(cause instanceof JetStreamApiError)) return cause;
  if (cause.code === NOT_AVAILABLE) {
    return fail("LOG_UNAVAILABLE", "JetStream is not available yet", { cause });
  }
  const wanted = `${shards} streams with ${replicas} ${replicas === 1 ? "copy" : "copies"} each`;
  return new StartError(`nats-server refuses ${wanted}: ${cause.message}`, { cause });
}

function shardConfig(shard: number, options: TopologyOptions): StreamSettings {
  return {
    name: options.names.shardStream(shard),
    subjects: options.names.shardSubjects(shard),
    storage: "file",
    retention: "limits",
    discard: "new",
    max_bytes: options.maxBytesPerShard ?? -1,
    max_msg_size: MAX_STORED_BYTES,
    num_replicas: options.replicas,
    duplicate_window: nanos(options.duplicateWindowMs),
    allow_direct: true,
    allow_atomic: true,
    allow_rollup_hdrs: true,
  };
}

/** Settings of a stream of ours. */
export type StreamSettings = Partial<StreamConfig> & {
  readonly name: string;
  readonly subjects: string[];
};

/** JetStream's code for a stream whose name is taken with another configuration. */
const STREAM_NAME_EXISTS = 10058;

/** Creates a stream or updates it where it differs, with patience; answers with its state. */
export function ensureStream(jsm: JetStreamManager, settings: StreamSettings) {
  return withOpeningPatience(() => tryStream(jsm, settings));
}

/** JetStream's codes for bytes that it cannot reserve. */
const NO_ROOM = [10023, 10047];

/** A store that may not even grow to this is of no use. */
const LEAST_BYTES = 1024 * 1024;

/** Creates or updates as `ensureStream`. Where JetStream has not the bytes that a store may grow to, a sixteenth of them is tried, and so on. */
export async function ensureStore(jsm: JetStreamManager, settings: StreamSettings): Promise<void> {
  const bytes = settings.max_bytes ?? -1;
  await ensureStream(jsm, settings).catch((error: unknown) => {
    const isRoomMissing = error instanceof JetStreamApiError && NO_ROOM.includes(error.code);
    if (!isRoomMissing || bytes < LEAST_BYTES) throw error;
    return ensureStore(jsm, { ...settings, max_bytes: Math.floor(bytes / 16) });
  });
}

async function tryStream(jsm: JetStreamManager, settings: StreamSettings) {
  const found = await jsm.streams.info(settings.name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  });
  if (!found) {
    try {
      return (await jsm.streams.add(settings)).state;
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NAME_EXISTS) throw error;
      return (await jsm.streams.info(settings.name)).state;
    }
  }
  if (Object.entries(settings).every(([key, value]) => isSame(found.config, key, value))) {
    return found.state;
  }
  return (await jsm.streams.update(settings.name, settings)).state;
}

function isSame(config: object, key: string, value: unknown): boolean {
  return JSON.stringify((config as Record<string, unknown>)[key]) === JSON.stringify(value);
}
