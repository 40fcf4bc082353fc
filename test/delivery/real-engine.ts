/** The engine on a real NATS with the drivers of the product. */
import { type Bus, createBus, type KeyedStore } from "../../src/bus/index.ts";
import {
  createDelivery,
  type Delivery,
  type DeliveryOptions,
} from "../../src/delivery/delivery.ts";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { useSharedNats } from "../support/shared-servers.ts";
import { quietLogger, testEnvironment } from "./test-engine.ts";

/** What outlives an engine, and its engines. */
export interface RealWorld {
  readonly bus: Bus;
  /** Makes one, which is not started. */
  engine(
    options: Pick<DeliveryOptions, "definitions"> & { readonly fileSinkDir?: string },
  ): Delivery;
  /** Closes all engines and the bus. */
  close(): Promise<void>;
}

/** Opens a bus in a namespace of its own. */
export async function openRealWorld(shards: number): Promise<RealWorld> {
  const { url, prefix } = useSharedNats();
  const bus = await createBus({ url, namespace: prefix, shards, logger: quietLogger });
  const stores: Record<"cursors" | "held", KeyedStore> = {
    cursors: await bus.openKeyedStore("cursors"),
    held: await bus.openKeyedStore("held"),
  };
  const engines: Delivery[] = [];
  return {
    bus,
    engine({ definitions, fileSinkDir = testEnvironment.fileSinkDir }) {
      const engine = createDelivery({
        definitions,
        reader: bus.reader,
        shards,
        followShard: (shard, listener) => bus.followShard(shard, listener),
        ...stores,
        drivers: sinkDrivers,
        environment: { ...testEnvironment, fileSinkDir },
        logger: quietLogger,
      });
      engines.push(engine);
      return engine;
    },
    async close() {
      await Promise.all(engines.map((engine) => engine.close()));
      await bus.close();
    },
  };
}
