import { afterAll, beforeAll, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { compareBesideNoise } from "../support/noisy-neighbour.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("check 5: beside a project at 10 times its quota another's p99 grows by less than 15 %, at the 95 % bound of the median of 20 pairs", async () => {
  const { ratios: _, ...result } = await compareBesideNoise(server, { pairs: 20, slices: 12 });
  report("beside a project at 10 times its quota", result);
  expect(result.failed).toBe(0);
  expect(result.upperBound).toBeLessThan(1.15);
}, 600_000);
