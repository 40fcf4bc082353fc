import type { KeyedStore } from "../../src/bus/index.ts";
import type { LogReader } from "../../src/core/log.ts";
import type { Delivery, DeliveryOptions } from "../../src/delivery/delivery.ts";
import type { OpenSink, SinkDriver } from "../../src/sinks/sink.ts";
import type { createWorld } from "./test-engine.ts";

const never = new Promise<never>(() => undefined);

/**
 * An engine that dies like a process under kill -9 after so many steps: from then on none of its calls
 * does anything, and the answer of the one at that step never comes although it may have worked.
 */
export function createMortalEngine(
  world: ReturnType<typeof createWorld>,
  { stepsLeft, overrides = {} }: { stepsLeft: number; overrides?: Partial<DeliveryOptions> },
): { engine: Delivery; isDead: () => boolean; died: Promise<void>; kill: () => void } {
  let left = stepsLeft;
  let isDead = false;
  const { promise: died, resolve } = Promise.withResolvers<void>();
  let leave: (() => void) | undefined;
  const kill = () => {
    if (isDead) return;
    isDead = true;
    leave?.();
    resolve();
  };
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isDead) return never;
    left -= 1;
    const isLast = left === 0;
    // Dies either before or after the call has its effect.
    if (isLast && stepsLeft % 2 === 0) kill();
    if (isDead) return never;
    const result = await work();
    if (isLast) kill();
    return isDead ? never : result;
  };
  const wrapStore = (store: KeyedStore): KeyedStore => ({
    writeMany: (writes) => step(() => store.writeMany(writes)),
    get: (key) => step(() => store.get(key)),
    list: (prefix) => step(() => store.list(prefix)),
    keys: (prefix) => step(() => store.keys(prefix)),
    deleteMany: (keys) => step(() => store.deleteMany(keys)),
    deleteAll: (prefix) => step(() => store.deleteAll(prefix)),
    delete: (key, expected) => step(() => store.delete(key, expected)),
  });
  const { reader } = world.shard;
  const mortalReader: LogReader = {
    read: (log, options) => step(() => reader.read(log, options)),
    info: (log) => step(() => reader.info(log)),
    sequenceAt: reader.sequenceAt,
  };
  const { driver } = world.target;
  const mortalDriver: SinkDriver<"webhook"> = {
    ...driver,
    open: (config, env) =>
      step(async () => {
        const sink = await driver.open(config, env);
        const wrapped: OpenSink = {
          ...sink,
          ...(sink.resume && { resume: (p, e) => step(() => sink.resume!(p, e)) }),
          write: (request, signal) => step(() => sink.write(request, signal)),
        };
        return wrapped;
      }),
  };
  const engine = world.engine({
    cursors: wrapStore(world.cursors),
    held: wrapStore(world.held),
    reader: mortalReader,
    drivers: { webhook: mortalDriver },
    followShard: async (shard, listener) => {
      const follower = await world.shard.follow(shard, {
        onOwner: (o) => isDead || listener.onOwner(o),
        onMessage: (m) => isDead || listener.onMessage(m),
        onLost: () => isDead || listener.onLost(),
      });
      leave = () => void follower.close();
      return follower;
    },
    ...overrides,
  });
  return { engine, isDead: () => isDead, died, kill };
}
