import { expect, test } from "vitest";
import { createAttemptLimit } from "../../src/auth/attempt-limit.ts";

function fail(limit: ReturnType<typeof createAttemptLimit>, address: string, times = 10) {
  for (let i = 0; i < times; i++) limit.countFailure("app", address);
}

test("check 24: addresses of one IPv6 /64 count together, and a mapped IPv4 address as itself", () => {
  const limit = createAttemptLimit();
  fail(limit, "2001:db8:0:1::1");
  expect(limit.waitMs("app", "2001:0db8:0000:0001:ffff::2")).toBeGreaterThan(0);
  expect(limit.waitMs("app", "2001:db8:0:2::1")).toBe(0);
  fail(limit, "::ffff:192.0.2.1");
  expect(limit.waitMs("app", "192.0.2.1")).toBeGreaterThan(0);
  expect(limit.waitMs("app", "192.0.2.2")).toBe(0);
});

test("check 24: an address that guesses over many clients is slowed down as a whole", () => {
  const limit = createAttemptLimit();
  for (let i = 0; i < 100; i++) limit.countFailure(`guess ${i}`, "192.0.2.1");
  expect(limit.waitMs("app", "192.0.2.1")).toBeGreaterThan(0);
  expect(limit.waitMs("app", "192.0.2.2")).toBe(0);
});

test("check 24: the limit ends with its minute, and failures of old minutes do not add up", () => {
  let nowMs = 0;
  const limit = createAttemptLimit({ now: () => nowMs });
  fail(limit, "192.0.2.1", 9);
  nowMs = 60_000;
  fail(limit, "192.0.2.1", 9);
  expect(limit.waitMs("app", "192.0.2.1")).toBe(0);
  fail(limit, "192.0.2.1", 1);
  expect(limit.waitMs("app", "192.0.2.1")).toBe(60_000);
  nowMs = 120_000;
  expect(limit.waitMs("app", "192.0.2.1")).toBe(0);
});

test("counters are bounded: the oldest are forgotten", () => {
  const limit = createAttemptLimit({ countersMax: 50 });
  fail(limit, "192.0.2.1");
  for (let i = 0; i < 60; i++) limit.countFailure("app", `198.51.100.${i}`);
  expect(limit.waitMs("app", "192.0.2.1")).toBe(0);
});
