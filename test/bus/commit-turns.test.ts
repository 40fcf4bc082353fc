import { expect, test } from "vitest";
import { createCommitTurns } from "../../src/bus/commit-turns.ts";

test("turns are given first come, first served, and no more at once than there are", async () => {
  const turns = createCommitTurns({ maxTurns: 2, turnMs: 60_000 });
  const order: number[] = [];
  let underWay = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const end = await turns.take();
      order.push(i);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      end();
      end();
    }),
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(most).toBe(2);
});

test("D4: a turn that does not end holds up the others for its time only", async () => {
  const turns = createCommitTurns({ maxTurns: 1, turnMs: 20 });
  const late = await turns.take();
  const next = await turns.take();
  late();
  let hasThird = false;
  const third = turns.take().then((end) => {
    hasThird = true;
    return end;
  });
  await Promise.resolve();
  expect(hasThird).toBe(false);
  next();
  (await third)();
});
