/** Delivery and retention: both run where a shard is owned. */
import type { Retention } from "../bus/index.ts";
import { createDelivery, type Delivery } from "../delivery/delivery.ts";
import { sinkDrivers } from "../sinks/index.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./control-plane.ts";
import type { Foundations } from "./foundations.ts";

/**
 * Opens the engine. Without the role `deliver` this node owns no shard, and the engine only answers
 * what other nodes' deliveries have written.
 */
export async function openDelivery(foundations: Foundations, closers: Closers): Promise<Delivery> {
  const { bus, snapshot, logger, config } = foundations;
  const [cursors, held] = await Promise.all([
    bus.openKeyedStore("cursors"),
    bus.openKeyedStore("held"),
  ]);
  const keepers = new Map<number, Retention>();
  const endKeeper = async (shard: number) => {
    const keeper = keepers.get(shard);
    keepers.delete(shard);
    await keeper?.close();
  };
  const delivery = createDelivery({
    definitions: snapshot,
    reader: bus.reader,
    shards: bus.shards,
    followShard: bus.followShard,
    cursors,
    held,
    drivers: sinkDrivers,
    environment: environmentOf(foundations),
    logger,
    onOwner: (shard) => {
      const limitsOf = (logUid: string) => limitsOfLog(foundations, delivery, logUid);
      const onBeforeTrim = (uid: string, sequence: number) =>
        delivery.beforeTrim({ shard, uid }, sequence);
      keepers.set(shard, bus.startRetention({ shard, limitsOf, onBeforeTrim }));
    },
    onLost: (shard) => {
      endKeeper(shard).catch((error: unknown) => {
        logger.warn("a keeper of retention did not end well", { shard, error });
      });
    },
  });
  closers.add("retention", async () => {
    await Promise.all([...keepers.keys()].map(endKeeper));
  });
  closers.add("delivery", delivery.close);
  if (config.TRIBUTARY_ROLES.includes("deliver")) await delivery.start();
  return delivery;
}

function limitsOfLog({ snapshot }: Foundations, delivery: Delivery, logUid: string) {
  const stream = snapshot.streamByLog(logUid);
  if (!stream) return undefined;
  return {
    maxAgeMs: stream.retentionAgeMs,
    maxBytes: stream.retentionBytes,
    keepFrom: delivery.lowestNeeded(logUid),
  };
}
