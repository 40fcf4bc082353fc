import { afterAll, beforeAll, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { compareBesideNoise } from "../support/noisy-neighbour.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("check 5: a project at 10 times its quota is refused, and every push of another succeeds (short form)", async () => {
  const { ratios: _, ...result } = await compareBesideNoise(server, { pairs: 3, slices: 4 });
  report("beside a project at 10 times its quota", result);
  expect(result.failed).toBe(0);
  expect(result.refused).toBeGreaterThan(result.accepted * 3);
}, 90_000);
