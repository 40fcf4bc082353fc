import fc from "fast-check";
import { expect, test } from "vitest";
import { reasonOf, retryAfterMsOf } from "../../src/core/errors.ts";
import { BUILT_IN_QUOTAS, type Quotas, resolveQuotas } from "../../src/core/quotas.ts";
import { createPushLimits } from "../../src/ingest/push-limits.ts";

function limitsOf(quotas: Partial<Quotas>, more: { isSuspended?: boolean } = {}) {
  let nowMs = 0;
  const state = { stored: 0, isUsedUp: false };
  const project = {
    ...{ uid: "p", name: "projects/p", isSuspended: false },
    quotas: { ...BUILT_IN_QUOTAS, ...quotas },
    ...more,
  };
  const limits = createPushLimits({
    definitions: { project: (uid) => (uid === "p" ? project : undefined) },
    storedBytes: () => state.stored,
    isUsedUp: () => state.isUsedUp,
    now: () => nowMs,
  });
  return { limits, state, advance: (ms: number) => (nowMs += ms) };
}

const failure = (work: () => void): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
};

test("over any time a project gets its rate, two seconds' worth at once and one call more", () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 300 }),
    records: fc.integer({ min: 1, max: 80 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
      const { limits, advance } = limitsOf({ records_per_second: 100 });
      let taken = 0;
      let elapsedMs = 0;
      for (const { waitMs, records } of steps) {
        advance(waitMs);
        elapsedMs += waitMs;
        if (failure(() => limits.take("p", records, 1)) === undefined) taken += records;
        expect(taken).toBeLessThanOrEqual(200 + elapsedMs / 10 + 80);
      }
    }),
  );
});

test("who waits as long as the refusal says gets through", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 50, max: 5_000 }),
      (over, rate) => {
        const { limits, advance } = limitsOf({ bytes_per_second: rate });
        limits.take("p", 1, rate * 2 + over);
        const error = failure(() => limits.check("p"));
        expect(reasonOf(error)).toBe("QUOTA_EXCEEDED");
        expect(String(error)).toContain(`(quota bytes_per_second: ${rate})`);
        advance(retryAfterMsOf(error)!);
        if (retryAfterMsOf(error)! < 60_000) limits.take("p", 1, 1);
      },
    ),
  );
});

test("a suspended, used up or full project pushes nothing; one without limits everything", () => {
  const suspended = limitsOf({}, { isSuspended: true });
  expect(reasonOf(failure(() => suspended.limits.check("p")))).toBe("PROJECT_SUSPENDED");
  const { limits, state } = limitsOf({ stored_bytes: 1_000 });
  limits.take("p", 1, 1);
  state.stored = 1_000;
  const full = failure(() => limits.check("p"));
  expect(reasonOf(full)).toBe("QUOTA_EXCEEDED");
  expect(retryAfterMsOf(full)).toBe(10_000);
  state.stored = 0;
  state.isUsedUp = true;
  expect(reasonOf(failure(() => limits.check("p")))).toBe("BALANCE_USED");
  const free = limitsOf({}).limits;
  for (let i = 0; i < 1_000; i++) free.take("p", 1e6, 1e9);
  free.take("unknown", 1, 1);
});

test("quotas: the project's own value, else the installation's, else the built-in one; 0 is no limit", () => {
  const quotas = resolveQuotas({ streams: 0, sinks: 5, nonsense: 1 }, { sinks: 7, partitions: 9 });
  expect(quotas).toEqual({ ...BUILT_IN_QUOTAS, streams: 0, sinks: 5, partitions: 9 });
  expect(resolveQuotas(undefined, null, { streams: -1, sinks: "x" })).toEqual(BUILT_IN_QUOTAS);
});
