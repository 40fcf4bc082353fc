import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import type { MappingSchema } from "#gen/tributary/management/v1/mapping_pb.js";
import { type Sink_RecordFailure, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type {
  Definitions,
  LogDefinition,
  SinkDefinition,
  SinkVersion,
  StreamDefinition,
} from "../../src/core/definitions.ts";
import type { Logger } from "../../src/core/logger.ts";
import {
  createDelivery,
  type Delivery,
  type DeliveryOptions,
} from "../../src/delivery/delivery.ts";
import { MemoryShard } from "./memory-log.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { TestTarget } from "./test-target.ts";

const silent = () => undefined;
export const quietLogger: Logger = { debug: silent, info: silent, warn: silent, error: silent };

export interface SinkInput {
  readonly uid: string;
  readonly log: LogDefinition;
  readonly startSequence?: number;
  readonly isPaused?: boolean;
  readonly restarts?: number;
  readonly versions?: readonly SinkVersion[];
}

export interface VersionInput {
  readonly version?: number;
  readonly fromSequence?: number;
  readonly url?: string;
  readonly count?: number;
  readonly timeMs?: number;
  readonly scheduleMs?: readonly number[];
  readonly onRecordFailure?: Sink_RecordFailure;
  readonly mapping?: MessageInitShape<typeof MappingSchema> | undefined;
  readonly filter?: MessageInitShape<typeof FilterSchema> | undefined;
}

export function version(input: VersionInput = {}): SinkVersion {
  return {
    version: input.version ?? 1,
    fromSequence: input.fromSequence ?? 0,
    sink: create(SinkSchema, {
      config: { case: "webhook", value: { url: input.url ?? "v1" } },
      batching: {
        count: input.count ?? 0,
        ...(input.timeMs !== undefined && { time: durationFromMs(input.timeMs) }),
      },
      retry: { schedule: (input.scheduleMs ?? [20]).map((ms) => durationFromMs(ms)) },
      onRecordFailure: input.onRecordFailure ?? 0,
      ...(input.mapping && { mapping: input.mapping }),
      ...(input.filter && { filter: input.filter }),
    }),
  };
}

export function sink(input: SinkInput): SinkDefinition {
  return {
    uid: input.uid,
    name: `projects/p/streams/${input.log.uid}/sinks/${input.uid}`,
    projectUid: "p",
    streamName: `projects/p/streams/${input.log.uid}`,
    log: input.log,
    startSequence: input.startSequence ?? 1,
    isPaused: input.isPaused ?? false,
    restarts: input.restarts ?? 0,
    versions: input.versions ?? [version()],
  };
}

export function log(uid: string): LogDefinition {
  return { uid, branch: "main", shard: 0 };
}

/** Definitions that tests change. */
export class TestDefinitions implements Definitions {
  readonly #sinks = new Map<string, SinkDefinition>();
  readonly #listeners = new Set<() => void>();
  partitions = 1;

  set(...sinks: SinkDefinition[]): void {
    for (const s of sinks) this.#sinks.set(s.uid, s);
    for (const listener of this.#listeners) listener();
  }

  delete(uid: string): void {
    this.#sinks.delete(uid);
    for (const listener of this.#listeners) listener();
  }

  change(uid: string, change: Partial<SinkDefinition>): void {
    this.set({ ...this.#sinks.get(uid)!, ...change });
  }

  project(): undefined {
    return undefined;
  }
  stream(): StreamDefinition | undefined {
    return undefined;
  }
  streamByLog(logUid: string): StreamDefinition {
    return {
      uid: `s${logUid}`,
      name: `projects/p/streams/${logUid}`,
      projectUid: "p",
      schema: create(SchemaSchema),
      schemaVersion: 1,
      keyFields: [],
      partitions: this.partitions,
      generation: 1,
      retentionAgeMs: 0,
      retentionBytes: 0,
      createTimeMs: 0,
      logs: new Map([["main", log(logUid)]]),
      history: [],
    };
  }
  streams() {
    return [];
  }
  sink(name: string) {
    return [...this.#sinks.values()].find((s) => s.name === name);
  }
  sinkByUid(uid: string) {
    return this.#sinks.get(uid);
  }
  sinks() {
    return this.#sinks.values();
  }
  sinksOfLog(logUid: string) {
    return [...this.#sinks.values()].filter((s) => s.log.uid === logUid);
  }
  token() {
    return undefined;
  }

  sourceByPublicId() {
    return undefined;
  }
  sourceByUid() {
    return undefined;
  }
  applicationByClientId() {
    return undefined;
  }
  person() {
    return undefined;
  }
  grantsOf() {
    return [];
  }
  freshAtMs() {
    return Date.now();
  }
  onChange(listener: () => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** What drivers are given; files go nowhere. */
export const testEnvironment = {
  logger: quietLogger,
  embeddedDatabaseUrl: undefined,
  isLoopbackAllowed: true,
  egressAllowList: [],
  fileSinkDir: "/nonexistent",
};

/** What outlives an engine. */
export function createWorld(target: TestTarget) {
  const shard = new MemoryShard();
  const definitions = new TestDefinitions();
  const cursors = createMemoryStore();
  const held = createMemoryStore();
  const engine = (overrides: Partial<DeliveryOptions> = {}): Delivery =>
    createDelivery({
      definitions,
      reader: shard.reader,
      shards: 1,
      followShard: shard.follow,
      cursors,
      held,
      drivers: { webhook: target.driver },
      environment: testEnvironment,
      logger: quietLogger,
      random: () => 0.5,
      ...overrides,
    });
  return { shard, definitions, cursors, held, target, engine };
}

/** The ledger of a sink as numbers. */
export async function ledger(delivery: Delivery, definition: SinkDefinition) {
  const status = (await delivery.statuses([definition])).get(definition.uid)!;
  const c = status.counts as unknown as Record<string, bigint | undefined>;
  const n = (name: string) => Number(c?.[name] ?? 0n);
  const counts = {
    delivered: n("delivered"),
    filtered: n("filtered"),
    held: n("held"),
    discarded: n("discarded"),
    expired: n("expired"),
    pending: n("pending"),
    pushed: n("pushed"),
  };
  return { status, counts };
}
