import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus, type ShardListener } from "../../src/bus/index.ts";
import { createSubjectNames } from "../../src/bus/subjects.ts";
import type { LogMessage } from "../../src/core/log.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, part, quiet, readAll, recordsOf } from "./support.ts";

let nats: TestNats;
let first: Bus;
let second: Bus;

beforeAll(async () => {
  nats = await startTestNats();
  [first, second] = await Promise.all([
    createBus({ url: nats.url, shards: 4, logger: quiet }),
    createBus({ url: nats.url, shards: 4, logger: quiet }),
  ]);
});
afterAll(async () => {
  await Promise.all([first.close(), second.close()]);
  await nats.close();
});

function createWitness() {
  const edges: number[] = [];
  const messages: LogMessage[] = [];
  let owns = false;
  const listener: ShardListener = {
    onOwner({ edgeSequence }) {
      owns = true;
      edges.push(edgeSequence);
    },
    onMessage: (message) => void messages.push(message),
    onLost() {
      owns = false;
    },
  };
  return { listener, edges, messages, owns: () => owns };
}

const push = (bus: Bus, shard: number, text: string) =>
  bus.writer.append(call([part(0, text)], { shard }));

test("an idle shard gets one owner, and after its close the other one in a moment", async () => {
  const [a, b] = [createWitness(), createWitness()];
  const followA = await first.followShard(0, a.listener);
  await waitFor(() => a.owns());
  const followB = await second.followShard(0, b.listener);
  await push(second, 0, "1");
  await waitFor(() => a.messages.length === 1);
  expect(b.owns()).toBe(false);
  const startMs = performance.now();
  await followA.close();
  await followA.close();
  expect(a.owns()).toBe(false);
  await waitFor(() => b.owns());
  expect(performance.now() - startMs).toBeLessThan(4_000);
  await push(first, 0, "2");
  await waitFor(() => b.messages.length === 1);
  expect(b.messages.flatMap(recordsOf)).toEqual(["2"]);
  await followB.close();
});

test("the feed begins above the edge and has no gap, whatever is pushed meanwhile", async () => {
  const pushing = { stop: false };
  const load = (async () => {
    for (let i = 0; !pushing.stop; i++) await push(second, 1, String(i));
  })();
  const witness = createWitness();
  const following = await first.followShard(1, witness.listener);
  await waitFor(() => witness.messages.length > 500);
  pushing.stop = true;
  await load;
  const stored = await readAll(first.reader, { shard: 1, uid: "a".repeat(20) });
  await waitFor(() => witness.messages.at(-1)!.sequence === stored.at(-1)!.sequence);
  expect(witness.messages.map((m) => m.sequence)).toEqual(
    stored.map((m) => m.sequence).filter((sequence) => sequence > witness.edges[0]!),
  );
  const { timeMs, ...last } = witness.messages.at(-1)!;
  expect(stored.at(-1)).toMatchObject({ ...last, data: Buffer.from(last.data) });
  expect(Math.abs(timeMs - stored.at(-1)!.timeMs)).toBeLessThan(1);
  await following.close();
});

test("an owner that vanishes is replaced within its pin's time, and what it left is above no edge", async () => {
  const doomed = await createBus({ url: nats.url, shards: 4, logger: quiet });
  const [a, b] = [createWitness(), createWitness()];
  await doomed.followShard(2, a.listener);
  await waitFor(() => a.owns());
  const following = await second.followShard(2, b.listener);
  await push(second, 2, "seen by the first");
  await waitFor(() => a.messages.length === 1);
  await doomed.close();
  await push(second, 2, "missed");
  await waitFor(() => b.owns(), { timeoutMs: 10_000 });
  await push(second, 2, "after");
  await waitFor(() => b.messages.some((m) => recordsOf(m)[0] === "after"));
  expect(b.messages.every((m) => m.sequence > b.edges[0]!)).toBe(true);
  const stored = await readAll(second.reader, { shard: 2, uid: "a".repeat(20) });
  const above = stored.filter((m) => m.sequence > b.edges[0]!).map((m) => m.sequence);
  expect(b.messages.map((m) => m.sequence)).toEqual(above);
  await following.close();
});

test("when nats-server goes the owner knows, and somebody owns the shard when it is back", async () => {
  const [a, b] = [createWitness(), createWitness()];
  const followA = await first.followShard(3, a.listener);
  const followB = await second.followShard(3, b.listener);
  await waitFor(() => a.owns() || b.owns());
  await push(first, 3, "1");
  await nats.kill("SIGKILL");
  await waitFor(() => !a.owns() && !b.owns());
  await nats.restart();
  await waitFor(() => a.owns() !== b.owns(), { timeoutMs: 15_000 });
  const owner = a.owns() ? a : b;
  await waitFor(() => first.isConnected());
  await push(first, 3, "2");
  await waitFor(() => owner.messages.some((m) => recordsOf(m)[0] === "2"));
  expect(a.owns() && b.owns()).toBe(false);
  await Promise.all([followA.close(), followB.close()]);
});

test("the consumer of an earlier version, whose state is in a file, makes room for one in memory, and deliveries go on", async () => {
  const nc = await connect({ servers: nats.url });
  const jsm = await jetstreamManager(nc);
  const stream = createSubjectNames().shardStream(0);
  await jsm.consumers.delete(stream, "owner").catch(() => false);
  const { config } = await jsm.consumers.add(stream, { durable_name: "owner", ack_policy: "all" });
  expect(config.mem_storage ?? false).toBe(false);
  const witness = createWitness();
  const following = await first.followShard(0, witness.listener);
  await waitFor(() => witness.owns());
  expect((await jsm.consumers.info(stream, "owner")).config.mem_storage).toBe(true);
  await push(second, 0, "after the upgrade");
  await waitFor(() => witness.messages.some((m) => recordsOf(m)[0] === "after the upgrade"));
  await following.close();
  await nc.close();
});
