import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { createPasswords } from "../../src/people/passwords.ts";

const passwords = createPasswords();

test("a password is kept as Argon2id with OWASP's parameters, each time with another salt", async () => {
  const [one, two] = await Promise.all([passwords.hash("same same"), passwords.hash("same same")]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(one).not.toBe(two);
  expect(await passwords.verify("same same", one)).toBe(true);
  expect(await passwords.verify("same samf", one)).toBe(false);
});

test("a password may be typed in either form of Unicode", async () => {
  const stored = await passwords.hash("Zürich ÅÅÅ".normalize("NFD"));
  expect(await passwords.verify("Zürich ÅÅÅ".normalize("NFC"), stored)).toBe(true);
});

test("check 24: without a hash the answer is no, after the work of one", async () => {
  const stored = await passwords.hash("correct horse");
  const leastMs = async (hash: string | undefined) => {
    const times: number[] = [];
    for (let i = 0; i < 6; i++) {
      const start = performance.now();
      expect(await passwords.verify("wrong", hash)).toBe(false);
      times.push(performance.now() - start);
    }
    return Math.min(...times);
  };
  expect(await leastMs(undefined)).toBeGreaterThan((await leastMs(stored)) * 0.4);
  expect(await passwords.verify("", null)).toBe(false);
});

test("a flood of passwords waits within a bound, and what is beyond it is told to come back", async () => {
  const few = createPasswords({ running: 1, waiting: 2 });
  const answers = await Promise.allSettled([1, 2, 3, 4].map(() => few.verify("x", undefined)));
  expect(answers.map(({ status }) => status)).toEqual([
    ...["fulfilled", "fulfilled", "fulfilled", "rejected"],
  ]);
  const [, , , last] = answers;
  expect(reasonOf((last as PromiseRejectedResult).reason)).toBe("OVERLOADED");
  expect(await few.verify("x", undefined)).toBe(false);
});

test("hashing does not hold up the process for 5 ms", async () => {
  let longestMs = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - lastMs);
    lastMs = now;
  }, 0);
  const start = process.cpuUsage();
  await Promise.all(Array.from({ length: 8 }, () => passwords.verify("x", undefined)));
  clearInterval(timer);
  // What 8 hashes take is spent on other threads; the timer's gaps also hold waits of a loaded machine.
  expect(process.cpuUsage(start).user / 1000).toBeGreaterThan(40);
  expect(longestMs).toBeLessThan(60);
});
