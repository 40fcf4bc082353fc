import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { askAgain } from "../../src/bus/asked-again.ts";

test("a question that nobody answers is asked again, and the first answer counts", async () => {
  let asked = 0;
  // As JetStream while a leader is elected: nobody hears the first two.
  const ask = async () => {
    asked += 1;
    if (asked < 3) await sleep(60_000, undefined, { ref: false });
    return asked;
  };
  expect(await askAgain(ask)).toBe(3);
  await sleep(600);
  expect(asked).toBe(3);
});

test("a refusal is an answer", async () => {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    throw new Error("no such stream");
  };
  await expect(askAgain(ask)).rejects.toThrow("no such stream");
  expect(asked).toBe(1);
});
