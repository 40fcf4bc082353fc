import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createWorkInTurns } from "../../src/core/work-in-turns.ts";

test("work is done in its order, at once while the turn has room, and never more of it in one turn", async () => {
  const bursts = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), bursts, async (perTurn, counts) => {
      const work = createWorkInTurns(perTurn);
      const done: number[] = [];
      let given = 0;
      let before = 0;
      // What was waiting when a turn began comes before what the turn brings; so both bound it.
      for (const count of [...counts, ...Array<number>(120).fill(0)]) {
        for (let i = 0; i < count; i++) {
          const number = given++;
          work.run(() => done.push(number));
        }
        expect(done.length - before).toBeLessThanOrEqual(perTurn * 2);
        before = done.length;
        await nextTurn();
      }
      expect(done).toEqual(Array.from({ length: given }, (_, i) => i));
    }),
  );
});

test("a burst takes as many turns as it needs, and a lone piece none", async () => {
  const work = createWorkInTurns(10);
  let done = 0;
  const doOne = () => {
    done++;
  };
  work.run(doOne);
  expect(done).toBe(1);
  await nextTurn();
  await nextTurn();
  for (let i = 0; i < 25; i++) work.run(doOne);
  expect(done).toBe(11);
  await nextTurn();
  expect(done).toBe(21);
  await nextTurn();
  expect(done).toBe(26);
});
