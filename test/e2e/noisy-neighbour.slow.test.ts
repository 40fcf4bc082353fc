import { afterAll, beforeAll, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { type Neighbourhood, openNeighbourhood } from "../support/noisy-neighbour.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let neighbourhood: Neighbourhood;

beforeAll(async () => {
  server = await startServer();
  neighbourhood = await openNeighbourhood(server, { quota: 10, rate: 50 });
});
afterAll(async () => {
  neighbourhood?.close();
  await server?.close();
});

test("check 5: a project at 10 times its quota is refused, and every push of another succeeds (short form)", async () => {
  const size = { pairs: 2, slices: 4 };
  const { ratios: _, ...result } = await neighbourhood.compare(
    "at its quota",
    "over its quota",
    size,
  );
  report("at 10 times its quota, against one at its quota", result);
  expect(result.failed).toBe(0);
  expect(result.refused).toBeGreaterThan(result.accepted * 3);
}, 150_000);
