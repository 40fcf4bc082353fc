import { expect, test } from "vitest";
import { createRequestIds } from "../../src/server/request-id.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are UUIDs, each given once, and do not count", () => {
  const next = createRequestIds();
  const ids = Array.from({ length: 50_000 }, () => next());
  expect(ids.every((id) => UUID.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  const steps = ids.slice(0, 1_000).map((id) => Number.parseInt(id.slice(-12), 16));
  const rising = steps.filter((step, i) => i > 0 && step > steps[i - 1]!).length;
  expect(rising).toBeGreaterThan(350);
  expect(rising).toBeLessThan(650);
});

test("two processes have ids of their own", () => {
  const one = createRequestIds()();
  expect(createRequestIds()().slice(0, 23)).not.toBe(one.slice(0, 23));
});
