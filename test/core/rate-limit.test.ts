import fc from "fast-check";
import { expect, test } from "vitest";
import { createRateLimit, rateHeaders } from "../../src/core/rate-limit.ts";

test("in no window more calls pass than the policy says twice, and none that waited is refused", () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 400 }),
    calls: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 100 }), (steps) => {
      let nowMs = 0;
      const policy = { name: "t", calls: 10, windowSeconds: 1 };
      const limit = createRateLimit(policy, { now: () => nowMs });
      const passed: number[] = [];
      for (const { waitMs, calls } of steps) {
        nowMs += waitMs;
        for (let i = 0; i < calls; i++) {
          const state = limit.take("a");
          if (state.waitMs === 0) passed.push(nowMs);
          else {
            nowMs += state.waitMs;
            expect(limit.take("a").waitMs).toBe(0);
            passed.push(nowMs);
          }
        }
        const window = passed.filter((timeMs) => timeMs > nowMs - 1000);
        expect(window.length).toBeLessThanOrEqual(20);
      }
    }),
  );
});

test("tells in headers what is left, and counts each caller for itself", () => {
  let nowMs = 0;
  const policy = { name: "token", calls: 2, windowSeconds: 60 };
  const limit = createRateLimit(policy, { now: () => nowMs });
  expect(rateHeaders(policy, limit.take("a"))).toEqual({
    "ratelimit-policy": '"token";q=2;w=60',
    ratelimit: '"token";r=1;t=30',
  });
  expect(limit.take("a")).toMatchObject({ waitMs: 0, remaining: 0, resetSeconds: 60 });
  expect(limit.take("a")).toMatchObject({ waitMs: 30_000, remaining: 0 });
  expect(limit.take("b").waitMs).toBe(0);
  nowMs = 30_000;
  expect(limit.take("a").waitMs).toBe(0);
});

test("memory is bounded: who called least recently is forgotten, who calls on is not", () => {
  const limit = createRateLimit({ name: "t", calls: 1, windowSeconds: 60 }, { callersMax: 100 });
  limit.take("busy");
  for (let i = 0; i < 10_000; i++) {
    limit.take(`other ${i}`);
    expect(limit.take("busy").waitMs).toBeGreaterThan(0);
  }
  expect(limit.take("other 9999").waitMs).toBeGreaterThan(0);
  expect(limit.take("other 0").waitMs).toBe(0);
});
