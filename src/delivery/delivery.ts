/** The delivery engine of a node: takes part in owning every shard, and delivers what it owns. */
import { randomBytes } from "node:crypto";
import type { LogLoss } from "#gen/tributary/management/v1/log_loss_pb.js";
import type { KeyedLog, KeyedStore, ShardFollower, ShardListener } from "../bus/index.ts";
import type { AttemptLog } from "../core/attempt.ts";
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { noTemplates, type TemplateCompiler } from "../mapping/row-transform.ts";
import { readSinkState } from "./claim-cursor.ts";
import type { AtPoint } from "./crash-points.ts";
import type { DestinationEnvironment } from "./destinations.ts";
import { createHeldCommands, type HeldCommands } from "./held-commands.ts";
import { HELD_LIMITS, type HeldLimits } from "./held-quota.ts";
import { createHeldRecords, type HeldRecords } from "./held-records.ts";
import { createHeldStore } from "./held-store.ts";
import { createLossClocks } from "./loss-clocks.ts";
import { FRESH_KEYS_MAX } from "./parked-pages.ts";
import { type PartitionCounts, partitionCounts } from "./partition-counts.ts";
import { placeStanding, type Standing, type StandingQuestion } from "./place-standing.ts";
import { readStatuses, type StatusParts } from "./read-statuses.ts";
import { ShardDelivery } from "./shard-delivery.ts";
import type { SinkState } from "./sink-state.ts";
import type { SinkStatusInit } from "./sink-status.ts";
import type { SinkWorker } from "./sink-worker.ts";
import { createStagedRecords, type StagedRecords } from "./staged-records.ts";
import { createStagingArea, type StagingSettings } from "./staging-area.ts";
import type { UnsettledFate } from "./stored-work.ts";
import type { DriverTable } from "./version-table.ts";
import { type WaitingKey, waitingKeys } from "./waiting-keys.ts";
import type { KeptLogs, WorkerOptions } from "./worker-options.ts";

const COMMANDS_EVERY_MS = 1_000;
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;
const CLOSE_GRACE_MS = 5_000;
const SWEEP_MS = 30_000;

/** What delivery is made of. */
export interface DeliveryOptions {
  readonly definitions: Definitions;
  readonly reader: LogReader;
  /** Archives that the reader reads across. */
  readonly kept?: KeptLogs;
  /** What logs have lost, as statuses tell it. */
  readonly logLossesOf?: StatusParts["logLossesOf"];
  /** Number of shards. */
  readonly shards: number;
  /** Stands for the ownership of a shard: `bus.followShard`. */
  readonly followShard: (shard: number, listener: ShardListener) => Promise<ShardFollower>;
  /** Compacted store of cursors and commands, the same on every node. */
  readonly cursors: KeyedStore;
  /** Compacted store of the copies of held records. */
  readonly held: KeyedStore;
  /** Store of staged rows; without it no sink can stage. */
  readonly staging?: KeyedLog;
  /** For tests: how long staged rows are kept, and where a process dies. */
  readonly stagingSettings?: StagingSettings;
  /** For tests: called at each crash point. */
  readonly at?: AtPoint;
  readonly drivers: DriverTable;
  /** Evaluates the templates of mappings; without it a sink that has one cannot deliver. */
  readonly templates?: TemplateCompiler;
  readonly environment: DestinationEnvironment;
  readonly logger: Logger;
  /** Is told of every attempt. */
  readonly attempts?: AttemptLog;
  /**
   * Called when this node comes to own a shard, and when it ceases to: to run there what needs an owner.
   * Everything stored up to `edgeSequence` is to be read.
   */
  readonly onOwner?: (shard: number, edgeSequence: number) => void;
  readonly onLost?: (shard: number) => void;
  /** Called with each message above that, ascending, while the shard is owned. Must not throw. */
  readonly onStored?: (shard: number, message: LogMessage) => void;
  /** Uids of deleted sinks that can be brought back, whose things stay; none when left out. */
  readonly keptSinks?: () => Promise<ReadonlySet<string>>;
  /** Milliseconds since 1970; `Date.now` when left out. */
  readonly now?: () => number;
  /** Milliseconds that no change of the clock moves; `performance.now` when left out. */
  readonly steady?: () => number;
  /** In [0, 1); `Math.random` when left out. */
  readonly random?: () => number;
  /** Bytes of records in queues, of all sinks; 128 MiB. */
  readonly queueBytesMax?: number;
  /** How much may be held of one sink; `HELD_LIMITS`. */
  readonly heldLimits?: HeldLimits;
  /** Parked keys that a cursor holds itself, beside its pages; 1,024. */
  readonly freshKeysMax?: number;
  /** How often idle destinations are closed and leftovers of deleted sinks are looked for; 30 s. */
  readonly sweepEveryMs?: number;
}

/** The engine. */
export interface Delivery {
  /** Begins to stand for the shards. */
  start(): Promise<void>;
  isOwner(shard: number): boolean;
  /** What a log has lost, newest first. */
  lossesOf(logUid: string): readonly LogLoss[];
  /** Statuses by the uid of the sink, from any node: at most 200 ms old where another node is the owner. */
  statuses(sinks: Iterable<SinkDefinition>): Promise<Map<string, SinkStatusInit>>;
  /** Where one record stands with one sink. Fails with LOG_UNAVAILABLE. */
  standing(sink: SinkDefinition, question: StandingQuestion): Promise<Standing>;
  /** The ledger of a sink by partition. Fails with LOG_UNAVAILABLE. */
  partitions(sink: SinkDefinition): Promise<PartitionCounts[]>;
  /** Keys of a sink whose records wait for held ones. Fails with LOG_UNAVAILABLE. */
  parkedKeys(sink: SinkDefinition): Promise<WaitingKey[]>;
  readonly held: HeldRecords;
  readonly staged: StagedRecords;
  /**
   * First sequence of a log that retention must keep for sinks that run or block pushes: Infinity when
   * none needs it. Known on the owner of the log's shard only; 0 elsewhere and until it is known.
   */
  lowestNeeded(logUid: string): number;
  /** First sequence that its archive must keep for sinks that read on there; as `lowestNeeded`. */
  lowestKept(logUid: string): number;
  /**
   * To be awaited before a log is trimmed below a sequence: counts, in the cursors of stopped sinks, the
   * records that they lose by it as expired. Rejects when nothing may be trimmed now.
   */
  beforeTrim(
    log: { readonly shard: number; readonly uid: string },
    sequence: number,
  ): Promise<void>;
  /** The same before the archive of a log deletes what stands below a sequence. */
  beforeSweep(
    log: { readonly shard: number; readonly uid: string },
    sequence: number,
  ): Promise<void>;
  /** Requests in flight may end (5 s), cursors are written, shards are given away. Idempotent. */
  close(): Promise<void>;
}

/** Makes the engine; nothing runs before `start`. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const { definitions } = options;
  const workerOptions = workerOptionsOf(options);
  const shards = createShards(options, workerOptions);
  const workerOf = (sink: SinkDefinition) => shards[sink.log.shard]?.worker(sink.uid);
  const stateOf = async (sink: SinkDefinition): Promise<SinkState | undefined> => {
    const worker = workerOf(sink);
    if (worker?.isKnown) return worker.snapshot();
    const found = await readSinkState(options.cursors, { uid: sink.uid, logUid: sink.log.uid });
    return found.state;
  };
  const heldInput = {
    logger: options.logger,
    held: workerOptions.held,
    commands: options.cursors,
    now: workerOptions.now,
    stateOf,
    workerOf,
    sinkByUid: (uid: string) => definitions.sinkByUid(uid),
  };
  const staged = createStagedRecords(workerOptions, (shard) => shards[shard]?.stagedBytes());
  let endChanges: (() => void) | undefined;
  let endCommands: (() => void) | undefined;
  let closing: Promise<void> | undefined;
  return {
    async start() {
      endChanges = definitions.onChange(() => {
        for (const shard of shards) shard.reconcile();
      });
      const isNeeded = () => shards.some((shard) => shard.isOwner);
      endCommands = pollCommands(createHeldCommands(heldInput), {
        isNeeded,
        logger: options.logger,
      });
      await Promise.all(shards.map((shard) => shard.start()));
    },
    isOwner: (shard) => shards[shard]?.isOwner ?? false,
    lossesOf: (logUid) => options.logLossesOf?.(logUid) ?? [],
    statuses: (sinks) => {
      const { logLossesOf } = options;
      const lossOf = createLossClocks(options);
      return readStatuses(sinks, { ...workerOptions, stateOf, lossOf, logLossesOf });
    },
    staged,
    partitions: async (sink) => partitionCounts(await stateOf(sink)),
    async parkedKeys(sink) {
      return await waitingKeys(workerOptions.held, sink.uid, await stateOf(sink));
    },
    async standing(sink, question) {
      const { held } = workerOptions;
      const found = await placeStanding(held, { sink, state: await stateOf(sink) }, question);
      // The cursor of a staged export passes a row when it is in the staging.
      const isStaged = found.kind === "passed" && (await staged.holds(sink, question.place));
      return isStaged ? { ...found, kind: "staged" } : found;
    },
    held: createHeldRecords(heldInput),
    lowestNeeded: (logUid) =>
      lowestNeeded(definitions.sinksOfLog(logUid), workerOf, ({ inLog }) => inLog === "needed"),
    lowestKept: (logUid) =>
      lowestNeeded(definitions.sinksOfLog(logUid), workerOf, (fate) => fate.isNeededInArchive),
    async beforeTrim(log, sequence) {
      await shards[log.shard]?.beforeTrim(log.uid, sequence);
    },
    async beforeSweep(log, sequence) {
      await shards[log.shard]?.beforeSweep(log.uid, sequence);
    },
    close() {
      closing ??= (async () => {
        endChanges?.();
        endCommands?.();
        await Promise.all(shards.map((shard) => shard.close(CLOSE_GRACE_MS)));
      })();
      return closing;
    },
  };
}

function createShards(options: DeliveryOptions, workerOptions: WorkerOptions): ShardDelivery[] {
  return Array.from(
    { length: options.shards },
    (_, shard) =>
      new ShardDelivery({
        shard,
        options: workerOptions,
        follow: options.followShard,
        onOwner: options.onOwner,
        onLost: options.onLost,
        onStored: options.onStored,
      }),
  );
}

/** Answers other nodes' commands now and then, while there is something to answer for; returns what ends it. */
function pollCommands(
  commands: HeldCommands,
  { isNeeded, logger }: { readonly isNeeded: () => boolean; readonly logger: Logger },
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isEnded = false;
  const next = () => {
    timer = setTimeout(() => {
      const answering = isNeeded() ? commands.poll() : Promise.resolve();
      answering
        .catch((error: unknown) => {
          logger.debug("commands could not be read", { error: String(error) });
        })
        .finally(() => {
          if (!isEnded) next();
        });
    }, COMMANDS_EVERY_MS);
  };
  next();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}

function workerOptionsOf(options: DeliveryOptions): WorkerOptions {
  return {
    definitions: options.definitions,
    reader: options.reader,
    kept: options.kept,
    cursors: options.cursors,
    held: createHeldStore(options.held),
    staging: options.staging && createStagingArea(options.staging, options.stagingSettings),
    drivers: options.drivers,
    templates: options.templates ?? noTemplates,
    environment: options.environment,
    logger: options.logger,
    attempts: options.attempts,
    keptSinks: options.keptSinks ?? (async () => new Set()),
    now: options.now ?? Date.now,
    steady: options.steady ?? (() => performance.now()),
    random: options.random ?? Math.random,
    at: options.at,
    owner: randomBytes(9).toString("hex"),
    heldLimits: options.heldLimits ?? HELD_LIMITS,
    freshKeysMax: options.freshKeysMax ?? FRESH_KEYS_MAX,
    sweepEveryMs: options.sweepEveryMs ?? SWEEP_MS,
    budget: { used: 0, max: options.queueBytesMax ?? QUEUE_BYTES_MAX },
  };
}

/** The lowest sequence that some sink needs of those whose unsettled records have such a fate. */
function lowestNeeded(
  sinks: readonly SinkDefinition[],
  workerOf: (sink: SinkDefinition) => SinkWorker | undefined,
  isIt: (fate: UnsettledFate) => boolean,
): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const sink of sinks) {
    const worker = workerOf(sink);
    if (!worker) return 0;
    if (isIt(worker.retention.fate)) lowest = Math.min(lowest, worker.retention.neededFrom);
  }
  return lowest;
}
