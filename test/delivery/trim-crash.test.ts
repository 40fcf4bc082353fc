import fc from "fast-check";
import { expect, test } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { createMortalEngine } from "./mortal-engine.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const scenario = fc.record({
  keepsCursor: fc.boolean(),
  batch: fc.integer({ min: 1, max: 8 }),
  lives: fc.array(
    fc.record({
      stepsLeft: fc.integer({ min: 5, max: 150 }),
      pushes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

test("D1, D3: owners that die around trims of a running sink leave nothing missing, and no false alarm", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ keepsCursor, batch, lives }) => {
      const target = new TestTarget({ keepsCursor });
      const world = createWorld(target);
      world.definitions.partitions = 2;
      const a = sink({ uid: "a", log: log("l"), versions: [version({ count: batch })] });
      world.definitions.set(a);
      let n = 0;
      for (const { stepsLeft, pushes } of lives) {
        const { engine, died, isDead, kill } = createMortalEngine(world, { stepsLeft });
        void engine.start();
        const trimming = (async () => {
          while (!isDead()) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            // As the keeper of retention does: only what the sink does not need.
            const sequence = engine.lowestNeeded("l");
            if (!Number.isFinite(sequence) || sequence <= 1) continue;
            const isBooked = await Promise.race([
              died,
              engine.beforeTrim({ shard: 0, uid: "l" }, sequence).then(
                () => true,
                () => false,
              ),
            ]);
            if (isBooked === true && !isDead()) world.shard.trim("l", sequence - 1);
          }
        })();
        for (const count of pushes) {
          const records = Array.from({ length: count }, () => ({ key: n % 2, value: n++ }));
          world.shard.append("l", records, { partition: n % 2 });
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await Promise.race([died, new Promise((resolve) => setTimeout(resolve, 10))]);
        kill();
        await trimming;
      }
      const last = world.engine();
      void last.start();
      await waitFor(
        async () => {
          const { counts, status } = await ledger(last, a);
          expect(status.reason ?? "").toBe("");
          expect(counts.expired).toBe(0);
          return counts.pushed === n && counts.pending === 0;
        },
        { timeoutMs: 4_000, everyMs: 3 },
      );
      expect(new Set(target.values("a")).size).toBe(n);
      if (keepsCursor) expect(target.values("a").length).toBe(n);
      await last.close();
    }),
    { numRuns: 80, endOnFailure: true },
  );
}, 120_000);
