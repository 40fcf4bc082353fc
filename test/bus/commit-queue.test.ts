import fc from "fast-check";
import { expect, test } from "vitest";
import { createByteBudget } from "../../src/bus/byte-budget.ts";
import { createCommitQueue, type PendingCall } from "../../src/bus/commit-queue.ts";
import { call, part } from "./support.ts";

const LIMITS = { maxMessages: 1_000, maxBytes: 100, maxShare: 0.25 };

function pending(projectUid: string, bytes: number, parts = 1): PendingCall {
  return {
    call: call(
      Array.from({ length: parts }, () => part(0, "1")),
      { projectUid },
    ),
    bytes,
    deadlineMs: 0,
    resolve: () => undefined,
    reject: () => undefined,
    isSettled: false,
  };
}

test("a project alone fills a publish; while others wait it gets a quarter of the bytes", () => {
  const queue = createCommitQueue();
  for (let i = 0; i < 30; i++) queue.push(pending("big", 5));
  expect(queue.take(LIMITS)).toHaveLength(20);
  for (let i = 0; i < 30; i++) queue.push(pending("big", 5));
  for (let i = 0; i < 30; i++) queue.push(pending("other", 5));
  const taken = queue.take(LIMITS).map((p) => p.call.projectUid);
  expect(taken.filter((uid) => uid === "big")).toHaveLength(5);
  expect(taken.filter((uid) => uid === "other")).toHaveLength(5);
});

test("a call above all limits in bytes still goes, alone", () => {
  const queue = createCommitQueue();
  queue.push(pending("a", 500));
  queue.push(pending("a", 500));
  expect(queue.take(LIMITS)).toHaveLength(1);
  expect(queue.take(LIMITS)).toHaveLength(1);
  expect(queue.isEmpty()).toBe(true);
});

test("property: every call is taken once, in order within its project, within the limits", () => {
  const calls = fc.array(
    fc.record({
      project: fc.constantFrom("a", "b", "c"),
      bytes: fc.integer({ min: 1, max: 60 }),
      parts: fc.integer({ min: 1, max: 5 }),
      isSettled: fc.boolean(),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(calls, (list) => {
      const queue = createCommitQueue();
      const all = list.map((c) => ({
        ...pending(c.project, c.bytes, c.parts),
        isSettled: c.isSettled,
      }));
      for (const one of all) queue.push(one);
      const taken: PendingCall[] = [];
      const limits = { ...LIMITS, maxMessages: 12 };
      for (let turn = 0; !queue.isEmpty(); turn++) {
        const batch = queue.take(limits);
        expect(turn).toBeLessThan(100);
        const bytes = batch.reduce((sum, p) => sum + p.bytes, 0);
        expect(bytes <= limits.maxBytes || batch.length === 1).toBe(true);
        expect(batch.reduce((sum, p) => sum + p.call.parts.length, 0)).toBeLessThanOrEqual(12);
        taken.push(...batch);
      }
      for (const project of ["a", "b", "c"]) {
        const of = (some: PendingCall[]) => some.filter((p) => p.call.projectUid === project);
        expect(of(taken)).toEqual(of(all).filter((p) => !p.isSettled));
      }
    }),
  );
});

test("a budget shares its bytes: a quarter for one project while others hold some", () => {
  const budget = createByteBudget({ maxBytes: 100, maxShare: 0.25 });
  expect(budget.take("a", 90)).toBe(true);
  expect(budget.take("b", 20)).toBe(false);
  expect(budget.take("b", 5)).toBe(true);
  expect(budget.take("a", 1)).toBe(false);
  budget.release("a", 90);
  budget.release("b", 5);
  expect(budget.taken()).toBe(0);
  expect(budget.take("a", 500)).toBe(true);
});
