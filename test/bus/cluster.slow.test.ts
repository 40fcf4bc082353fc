import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus, type ShardListener } from "../../src/bus/index.ts";
import { type NatsCluster, startNatsCluster } from "../support/faults/nats-cluster.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, part, quiet } from "./support.ts";

let nats: NatsCluster;
let bus: Bus;

beforeAll(async () => {
  nats = await startNatsCluster();
  bus = await createBus({ url: nats.url, shards: 1, replicas: 3, logger: quiet });
}, 120_000);
afterAll(async () => {
  await bus?.close();
  await nats?.close();
});

function createWitness() {
  const state = { owned: 0, isOwner: false, newest: 0 };
  const listener: ShardListener = {
    onOwner() {
      state.owned += 1;
      state.isOwner = true;
    },
    onMessage(message) {
      state.newest = message.sequence;
    },
    onLost() {
      state.isOwner = false;
    },
  };
  return { listener, state };
}

const push = async (text: string) =>
  (await bus.writer.append(call([part(0, text)]))).places.at(-1)!.sequence;

test("the owner of a shard with copies gets what was stored while nobody owned it, also more than a pull takes, and goes on", async () => {
  const first = createWitness();
  const before = await bus.followShard(0, first.listener);
  await waitFor(() => first.state.isOwner, { timeoutMs: 30_000 });
  await before.close();
  // 2,000 messages, which take eight pulls.
  const parts = Array.from({ length: 100 }, (_, partition) => part(partition, "x"));
  for (let i = 0; i < 20; i++) await bus.writer.append(call(parts));
  const heir = createWitness();
  const follower = await bus.followShard(0, heir.listener);
  await waitFor(() => heir.state.isOwner, { timeoutMs: 10_000 });
  const sequence = await push("after");
  await waitFor(() => heir.state.newest >= sequence, { timeoutMs: 10_000 });
  expect(heir.state.owned).toBe(1);
  await follower.close();
}, 120_000);
