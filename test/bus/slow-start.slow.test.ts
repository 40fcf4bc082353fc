import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBus } from "../../src/bus/index.ts";
import { startTestNats } from "../support/nats.ts";
import { quiet } from "./support.ts";

const FROZEN_MS = 8_000;

test("a bus opens stores and follows shards although nats-server stands still for 8 s meanwhile", async () => {
  const nats = await startTestNats();
  const bus = await createBus({ url: nats.url, shards: 2, logger: quiet });
  try {
    process.kill(nats.pid, "SIGSTOP");
    // A stop takes effect a little after its signal was sent.
    await delay(200);
    const startedAt = performance.now();
    const opening = Promise.all([
      bus.openKeyedStore("late"),
      bus.openKeyedLog("later"),
      bus.followShard(1, { onOwner() {}, onMessage() {}, onLost() {} }),
    ]);
    // Not before: nothing may reject without a listener while the server stands still.
    const opened = opening.then(
      () => performance.now() - startedAt,
      (error: unknown) => error,
    );
    await delay(FROZEN_MS);
    process.kill(nats.pid, "SIGCONT");
    expect(await opened).toBeGreaterThan(FROZEN_MS - 500);
    const [store, , follower] = await opening;
    await store.writeMany([{ key: "a", value: new Uint8Array([1]) }]);
    expect((await store.get("a"))?.value).toEqual(new Uint8Array([1]));
    await follower.close();
  } finally {
    await bus.close();
    await nats.close();
  }
}, 60_000);
