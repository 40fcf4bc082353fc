import { expect, test } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

/** A record of 84 bytes. */
const record = { sensor_id: "sensor-0042", temperature: 21.5, created_at: "2026-01-01T00:00:00Z" };

test("200,000 records in requests of 100 through an instant driver cost less than 4 s of CPU", async () => {
  const target = new TestTarget({ count: 100, concurrency: 4, isForgetful: true });
  const world = createWorld(target);
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 100 })] });
  const total = 200_000;
  for (let i = 0; i < total; i += 500) {
    const records = Array.from({ length: 500 }, (_, j) => ({ key: (i + j) % 1000, value: record }));
    world.shard.append("l", records, { partition: (i / 500) % 4 });
  }
  world.definitions.set(a);
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  const engine = world.engine();
  void engine.start();
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === total);
  const seconds = (performance.now() - startMs) / 1000;
  const used = process.cpuUsage(cpu);
  const rate = Math.round(total / seconds);
  const cpuRate = Math.round(total / ((used.user + used.system) / 1e6));
  process.stdout.write(`delivery: ${rate} records/s, ${cpuRate} per CPU second\n`);
  expect(cpuRate).toBeGreaterThan(50_000);
  await engine.close();
});
