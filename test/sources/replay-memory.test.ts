import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { createReplayMemory } from "../../src/sources/replay-memory.ts";

test("check 29: a signed request is known until its own time has run out, and never forgotten for room", () => {
  const memory = createReplayMemory(2);
  memory.add("a", 1_000_000);
  expect([memory.has("a", 999_000), memory.has("b", 999_000)]).toEqual([true, false]);
  memory.add("b", 1_300_000);
  let reason: string | undefined;
  try {
    memory.has("c", 999_500);
  } catch (error) {
    reason = reasonOf(error);
  }
  expect(reason).toBe("OVERLOADED");
  expect(memory.has("c", 1_100_000)).toBe(false);
  expect([memory.has("a", 1_100_000), memory.has("b", 1_100_000)]).toEqual([false, true]);
});
