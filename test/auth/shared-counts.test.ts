import { expect, test } from "vitest";
import { createAttemptLimit } from "../../src/auth/attempt-limit.ts";
import { type NodeWords, openSharedCounts } from "../../src/auth/shared-counts.ts";
import { createRateLimit } from "../../src/core/rate-limit.ts";
import { waitFor } from "../support/wait-for.ts";

/** What NATS does between nodes, within one process. */
function wire(): NodeWords & { readonly said: string[] } {
  const listeners = new Set<(words: string) => void>();
  const said: string[] = [];
  return {
    said,
    tell(_, words) {
      said.push(words);
      for (const listener of listeners) listener(words);
    },
    hear(_, listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

test("check 24: wrong secrets at any of three nodes add up at each, and those taken back do not", async () => {
  const nodes = wire();
  const counts = [1, 2, 3].map(() => openSharedCounts(nodes));
  const limits = counts.map(({ share }) => createAttemptLimit({ shared: { kind: "c", share } }));
  for (let n = 0; n < 20; n++) {
    limits[n % 3]!.countFailure("right", "192.0.2.2");
    limits[n % 3]!.forgive("right", "192.0.2.2");
  }
  for (let n = 0; n < 10; n++) limits[n % 3]!.countFailure("app", "192.0.2.1");
  await waitFor(() => limits.every((limit) => limit.waitMs("app", "192.0.2.1") > 0));
  for (const limit of limits) {
    expect(limit.waitMs("app", "192.0.2.9")).toBe(0);
    expect(limit.waitMs("right", "192.0.2.2")).toBe(0);
  }
  // A burst of each node, however many counts there were.
  expect(nodes.said).toHaveLength(3);
  for (const each of counts) each.close();
});

test("calls that others took leave no longer wait than the window, and none once it is over", () => {
  let nowMs = 0;
  const limit = createRateLimit({ name: "t", calls: 10, windowSeconds: 10 }, { now: () => nowMs });
  limit.add("a", 9);
  expect(limit.take("a")).toMatchObject({ waitMs: 0, remaining: 0 });
  limit.add("a", 1_000);
  expect(limit.take("a").waitMs).toBe(1_000);
  nowMs = 10_000;
  expect(limit.take("a")).toMatchObject({ waitMs: 0, remaining: 9 });
});
