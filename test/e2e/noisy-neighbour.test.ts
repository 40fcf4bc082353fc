import { afterAll, beforeAll, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { compareBesideNoise } from "../support/noisy-neighbour.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** Above this p99 of the quiet halves the machine's own queue is all that would be measured. */
const BUSY_MS = 25;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("check 5: a project at 10 times its quota is refused, and another's pushes all succeed, on a machine with room with a p99 within 1.5 times (short form)", async () => {
  const { ratios: _, ...result } = await compareBesideNoise(server, { pairs: 5, halfMs: 1_200 });
  report("beside a project at 10 times its quota", result);
  expect(result.failed).toBe(0);
  expect(result.refused).toBeGreaterThan(result.accepted * 3);
  if (result.quietP99Ms < BUSY_MS) expect(result.medianRatio).toBeLessThan(1.5);
}, 90_000);
