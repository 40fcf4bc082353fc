/** Delivery and retention: both run where a shard is owned. */
import type { LogLimits, Retention, RetentionOptions } from "../bus/index.ts";
import { listKeptLogs, listKeptSinks } from "../catalog/deleted-store.ts";
import type { AtPoint } from "../delivery/crash-points.ts";
import { createDelivery, type Delivery } from "../delivery/delivery.ts";
import { sinkDrivers } from "../sinks/index.ts";
import {
  createUsageCounters,
  type UsageCounters,
  type UsageCountersOptions,
} from "../usage/usage-counters.ts";
import { createUsageStore } from "../usage/usage-store.ts";
import { countAttempts } from "../watch/attempt-counts.ts";
import { openArchiver } from "./archive.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";
import { openLogLosses } from "./log-losses.ts";
import { openStagingBucket } from "./staging-bucket.ts";
import { openAttempts } from "./watch.ts";

/**
 * Opens the engine. Without the role `deliver` this node owns no shard, and the engine only answers
 * what other nodes' deliveries have written. Tests give `at`.
 */
export async function openDelivery(
  foundations: Foundations,
  closers: Closers,
  at?: AtPoint,
): Promise<Delivery> {
  const { bus, snapshot, logger, config } = foundations;
  const [objects, cursors, held, staging] = await Promise.all([
    openStagingBucket(foundations, closers),
    bus.openKeyedStore("cursors"),
    bus.openKeyedStore("held"),
    bus.openKeyedLog("staging"),
  ]);
  const keepers = openKeepers(bus);
  const losses = openLogLosses(foundations, closers);
  const usage = openUsage(foundations, keepers, {
    stagedBytesOf: (shard) => delivery.staged.bytesOf(shard),
    onCutOff: losses.cutOff,
  });
  const archiver = openArchiver(foundations, closers, {
    neededFrom: (logUid) => delivery.lowestKept(logUid),
    beforeDelete: (log, sequence) => delivery.beforeSweep(log, sequence),
  });
  const delivery = createDelivery({
    attempts: countAttempts(openAttempts(foundations, closers), foundations.attemptCounts),
    definitions: snapshot,
    reader: foundations.reader,
    kept: foundations.kept,
    logLossesOf: losses.of,
    shards: bus.shards,
    followShard: bus.followShard,
    cursors,
    held,
    staging,
    ...(objects && { stagingSettings: { objects } }),
    drivers: sinkDrivers,
    keptSinks: () => foundations.database.acrossProjects(listKeptSinks),
    templates: foundations.templates,
    environment: environmentOf(foundations),
    logger,
    ...(at && { at }),
    onOwner: (shard, edgeSequence) => {
      usage.onOwner(shard, edgeSequence);
      archiver.onOwner(shard);
      keepers.start({
        ...{ shard, edgeSequence },
        limitsOf: (logUid) => limitsOfLog(foundations, [delivery, archiver], logUid),
        onBeforeTrim: async (uid, sequence) => {
          await usage.reached(shard, sequence - 1);
          await delivery.beforeTrim({ shard, uid }, sequence);
        },
        onMissing: losses.missingIn(shard),
      });
    },
    onStored: (shard, message) => {
      usage.onStored(shard, message);
      keepers.get(shard)?.stored(message);
      archiver.onStored(message);
    },
    onLost: (shard) => {
      usage.onLost(shard);
      archiver.onLost(shard);
      keepers.end(shard).catch((error: unknown) => {
        logger.warn("a keeper of retention did not end well", { shard, error });
      });
    },
  });
  closers.add("retention", keepers.close);
  // What delivery still gets is counted: the counters end after it.
  closers.add("usage", usage.close);
  closers.add("delivery", delivery.close);
  if (config.TRIBUTARY_ROLES.includes("deliver")) await delivery.start();
  return delivery;
}

/** The keepers of the shards that this node owns. */
function openKeepers(bus: Foundations["bus"]) {
  const keepers = new Map<number, Retention>();
  const end = async (shard: number) => {
    const keeper = keepers.get(shard);
    keepers.delete(shard);
    await keeper?.close();
  };
  return {
    get: (shard: number) => keepers.get(shard),
    start: (options: RetentionOptions) => {
      keepers.set(options.shard, bus.startRetention(options));
    },
    end,
    close: async () => {
      await Promise.all([...keepers.keys()].map(end));
    },
  };
}

function openUsage(
  { bus, database, snapshot, logger }: Foundations,
  keepers: { get(shard: number): Retention | undefined },
  {
    stagedBytesOf,
    onCutOff,
  }: {
    readonly stagedBytesOf: Delivery["staged"]["bytesOf"];
    readonly onCutOff: UsageCountersOptions["onCutOff"];
  },
): UsageCounters {
  const storedBytesOf = async (shards: readonly number[]) => {
    // What sinks have staged is stored as well.
    const sums = new Map(shards.map((shard) => [shard, new Map(stagedBytesOf(shard))]));
    const add = (projectUid: string, log: { readonly uid: string; readonly shard: number }) => {
      const bytes = sums.get(log.shard);
      if (!bytes) return;
      const account = keepers.get(log.shard)?.accountOf(log.uid);
      if (account) bytes.set(projectUid, (bytes.get(projectUid) ?? 0) + account.bytes);
      else sums.delete(log.shard);
    };
    // Tens of thousands of streams: nothing is made of each, and all shards share one walk.
    for (const { projectUid, logs } of snapshot.streams()) {
      for (const log of logs.values()) add(projectUid, log);
    }
    // And what can be brought back.
    const deleted = await database.acrossProjects((queries) => listKeptLogs(queries));
    for (const log of deleted) add(log.projectUid, log);
    return sums;
  };
  const store = createUsageStore(database);
  return createUsageCounters({ log: bus.shardReader, store, logger, storedBytesOf, onCutOff });
}

/** Limits of a log; what sinks and the archive need is found out only when something may go. */
function limitsOfLog(
  { snapshot }: Foundations,
  needs: readonly { lowestNeeded(logUid: string): number }[],
  logUid: string,
): LogLimits | undefined {
  const stream = snapshot.streamByLog(logUid);
  return (
    stream && {
      maxAgeMs: stream.retentionAgeMs,
      maxBytes: stream.retentionBytes,
      get keepFrom() {
        return Math.min(...needs.map((each) => each.lowestNeeded(logUid)));
      },
    }
  );
}
