import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bus, createBus } from "../../src/bus/index.ts";
import { reasonOf, retryAfterMsOf } from "../../src/core/errors.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, errorOf, logUid, part, quiet, readAll, recordsOf } from "./support.ts";

let nats: TestNats;
let bus: Bus;

beforeEach(async () => {
  nats = await startTestNats();
  bus = await createBus({ url: nats.url, shards: 2, logger: quiet });
});
afterEach(async () => {
  await bus.close();
  await nats.close();
});

/** Stops nats-server where it stands; a stop takes effect a little after its signal was sent. */
async function freeze() {
  process.kill(nats.pid, "SIGSTOP");
  const health = `${nats.monitorUrl}/healthz`;
  await waitFor(() =>
    fetch(health, { signal: AbortSignal.timeout(200) }).then(
      () => false,
      () => true,
    ),
  );
}

/** Pushes numbered records to one partition, each after the answer to the one before it. */
async function pushInTurn(writer: number, acknowledged: string[], isOver: () => boolean) {
  const reasons = new Set<unknown>();
  for (let i = 0; !isOver(); i++) {
    const text = `${writer}.${i}`;
    const isKeyed = i % 7 === 0;
    const startMs = performance.now();
    try {
      await bus.writer.append(
        call([part(writer % 4, text), part(4 + (writer % 2), text)], {
          shard: writer % 2,
          ...(isKeyed ? { idempotency: { id: text, bodyHash: "h" } } : {}),
        }),
      );
      acknowledged.push(text);
    } catch (error) {
      reasons.add(reasonOf(error) ?? error);
    }
    expect(performance.now() - startMs).toBeLessThan(5_000);
  }
  return reasons;
}

test("kill -9 of nats-server under load of 16 writers: nothing acknowledged is lost, order is kept", async () => {
  let isOver = false;
  const acknowledged: string[][] = Array.from({ length: 16 }, () => []);
  const writers = acknowledged.map((list, writer) => pushInTurn(writer, list, () => isOver));
  for (let kill = 0; kill < 6; kill++) {
    const before = acknowledged.flat().length;
    await waitFor(() => acknowledged.flat().length > before + 500);
    await nats.kill("SIGKILL");
    await nats.restart();
  }
  const before = acknowledged.flat().length;
  await waitFor(() => acknowledged.flat().length > before + 500);
  isOver = true;
  const reasons = new Set((await Promise.all(writers)).flatMap((set) => [...set]));
  expect([...reasons].filter((reason) => reason !== "LOG_UNAVAILABLE")).toEqual([]);
  for (const shard of [0, 1]) {
    const stored = await readAll(bus.reader, { shard, uid: logUid("a") });
    const byPartition = Map.groupBy(stored, (m) => m.partition);
    const seen = [...byPartition.values()].map((list) => list.flatMap(recordsOf));
    for (const [writer, list] of acknowledged.entries()) {
      if (writer % 2 !== shard) continue;
      const numbers = seen.map((texts) =>
        texts.filter((t) => t.startsWith(`${writer}.`)).map((t) => Number(t.split(".")[1])),
      );
      // One for the writer's own partition and one for the shared one: a call is whole or absent.
      const own = numbers.filter((list) => list.length > 0);
      expect(own).toHaveLength(2);
      expect(own[0]).toEqual(own[1]);
      expect(own[0]).toEqual([...own[0]!].sort((a, b) => a - b));
      expect(new Set(own[0]).size).toBe(own[0]!.length);
      const missing = list.filter((t) => !own[0]!.includes(Number(t.split(".")[1])));
      expect(missing).toEqual([]);
    }
  }
}, 120_000);

test("kill -9 under load of large calls: each is stored whole and once, or not at all, in order", async () => {
  let isOver = false;
  const stored: string[] = [];
  const failed: string[] = [];
  const writers = ["a", "b"].map(async (letter) => {
    for (let i = 0; !isOver; i++) {
      const large = Array.from({ length: 12 }, (_, j) =>
        part(j % 2, `${letter}${i}.${j}.${"x".repeat(200_000)}`),
      );
      const calls = [large, [part(0, `${letter}${i}.small`)]].map((parts) =>
        bus.writer.append(call(parts, { logUid: logUid(letter) })).then(
          () => stored.push(`${letter}${i}.${parts.length}`),
          (error) => failed.push(`${letter}${i}.${parts.length} ${reasonOf(error)}`),
        ),
      );
      await Promise.all(calls);
    }
  });
  for (let kill = 0; kill < 3; kill++) {
    const before = stored.length;
    await waitFor(() => stored.length > before + 8);
    await nats.kill("SIGKILL");
    await nats.restart();
  }
  const before = stored.length;
  await waitFor(() => stored.length > before + 8);
  isOver = true;
  await Promise.all(writers);
  expect(failed.filter((text) => !text.endsWith("LOG_UNAVAILABLE"))).toEqual([]);
  for (const letter of ["a", "b"]) {
    const messages = await readAll(bus.reader, { shard: 0, uid: logUid(letter) });
    const texts = messages.flatMap((m) => recordsOf(m).map((text) => text.replace(/\.x+$/, "")));
    expect(new Set(texts).size).toBe(texts.length);
    const calls = Map.groupBy(texts, (text) => Number(text.slice(1).split(".")[0]));
    for (const [i, list] of calls) {
      const large = list.filter((text) => !text.endsWith("small"));
      expect([0, 12]).toContain(large.length);
      if (stored.includes(`${letter}${i}.12`)) expect(large).toHaveLength(12);
      if (stored.includes(`${letter}${i}.1`)) expect(list).toContain(`${letter}${i}.small`);
      // The small one came behind the large one, in the partition that they share.
      if (list.length === 13) expect(list.at(-1)).toBe(`${letter}${i}.small`);
    }
    expect([...calls.keys()]).toEqual([...calls.keys()].sort((x, y) => x - y));
  }
}, 60_000);

test("while nats-server is down a push fails in 5 s with a hint, and goes on soon after its return", async () => {
  await bus.writer.append(call([part(0, "before")]));
  await nats.kill("SIGKILL");
  const startMs = performance.now();
  const errors = await Promise.all(
    Array.from({ length: 100 }, (_, i) => errorOf(bus.writer.append(call([part(0, `down ${i}`)])))),
  );
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(new Set(errors.map(reasonOf))).toEqual(new Set(["LOG_UNAVAILABLE"]));
  expect(retryAfterMsOf(errors[0])).toBeGreaterThan(0);
  const read = bus.reader.read(
    { shard: 0, uid: logUid("a") },
    { fromSequence: 1, maxMessages: 1, maxBytes: 1 },
  );
  expect(reasonOf(await errorOf(read))).toBe("LOG_UNAVAILABLE");
  expect(bus.bytesInFlight()).toBe(0);
  await nats.restart();
  const backMs = performance.now();
  await waitFor(() =>
    bus.writer.append(call([part(0, "after")])).then(
      () => true,
      () => false,
    ),
  );
  expect(performance.now() - backMs).toBeLessThan(5_000);
  const stored = await readAll(bus.reader);
  expect(stored.flatMap(recordsOf)).toEqual(["before", "after"]);
}, 60_000);

test("a push that comes during a short restart waits for it and is stored", async () => {
  await bus.writer.append(call([part(0, "before")]));
  await nats.kill("SIGKILL");
  await waitFor(() => !bus.isConnected());
  const pushed = bus.writer.append(call([part(0, "during")]));
  await nats.restart();
  await pushed;
  expect((await readAll(bus.reader)).flatMap(recordsOf)).toEqual(["before", "during"]);
});

test("an answer that comes late counts: the publish is read back, never sent again", async () => {
  await bus.writer.append(call([part(0, "before")]));
  await freeze();
  const pushed = bus.writer.append(call([part(0, "frozen"), part(1, "frozen")]));
  await delay(3_500);
  process.kill(nats.pid, "SIGCONT");
  const { places } = await pushed;
  const stored = await readAll(bus.reader);
  expect(stored.map((m) => [m.sequence, ...recordsOf(m)])).toEqual([
    [1, "before"],
    [places[0]!.sequence, "frozen"],
    [places[1]!.sequence, "frozen"],
  ]);
  await bus.writer.append(call([part(0, "after")]));
}, 30_000);

test("a frozen server: callers hear LOG_UNAVAILABLE in 5 s, at most one copy of each call is stored", async () => {
  await bus.writer.append(call([part(0, "before")]));
  await freeze();
  const startMs = performance.now();
  const errors = await Promise.all([
    errorOf(bus.writer.append(call([part(0, "frozen")]))),
    errorOf(bus.writer.append(call([part(0, "frozen too")]))),
  ]);
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(errors.map(reasonOf)).toEqual(["LOG_UNAVAILABLE", "LOG_UNAVAILABLE"]);
  process.kill(nats.pid, "SIGCONT");
  await waitFor(() =>
    bus.writer.append(call([part(0, "after")])).then(
      () => true,
      () => false,
    ),
  );
  const texts = (await readAll(bus.reader)).flatMap(recordsOf);
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.at(-1)).toBe("after");
}, 30_000);

test("closing ends waiting calls and is idempotent", async () => {
  await nats.kill("SIGKILL");
  const pushed = errorOf(bus.writer.append(call([part(0, "1")])));
  await bus.close();
  await bus.close();
  expect(reasonOf(await pushed)).toBe("LOG_UNAVAILABLE");
  expect(reasonOf(await errorOf(bus.writer.append(call([part(0, "2")]))))).toBe("SHUTTING_DOWN");
});

test("a follower of a log goes on after a kill, with each message once and in order", async () => {
  const seen: string[] = [];
  const stop = new AbortController();
  const following = bus.followLog(
    { shard: 0, uid: logUid("a") },
    {
      fromSequence: 1,
      signal: stop.signal,
      onMessage: (message) => void seen.push(...recordsOf(message)),
    },
  );
  for (let i = 0; i < 50; i++) {
    await bus.writer.append(call([part(0, String(i))]));
    if (i === 20) {
      await nats.kill("SIGKILL");
      await nats.restart();
    }
  }
  await waitFor(() => seen.length >= 50);
  stop.abort();
  await following;
  expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
});

test("retention counts right again after a kill", async () => {
  const limits = { maxAgeMs: 1e9, maxBytes: 1e9, keepFrom: Number.POSITIVE_INFINITY };
  const keeper = bus.startRetention({ shard: 0, limitsOf: () => limits });
  for (let i = 0; i < 20; i++) {
    await bus.writer.append(call([part(0, String(i))]));
    if (i === 10) {
      await nats.kill("SIGKILL");
      await nats.restart();
    }
  }
  await waitFor(() => keeper.accountOf(logUid("a"))?.messages === 20);
  await keeper.close();
});
