import { afterAll, beforeAll, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { type Neighbourhood, openNeighbourhood } from "../support/noisy-neighbour.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** Of 6,000 pushes in each half, 250 in each slice. */
const SLICES = 24;

let server: TestServer;
let neighbourhood: Neighbourhood;

beforeAll(async () => {
  server = await startServer();
  neighbourhood = await openNeighbourhood(server, { quota: 50, rate: 1_000 });
});
afterAll(async () => {
  neighbourhood?.close();
  await server?.close();
});

test("check 5: a project at 10 times its quota costs another less than 15 % of its p99 more than one at its quota, at the 95 % bound of the median of 16 pairs", async () => {
  const size = { pairs: 16, slices: SLICES };
  const { ratios, ...result } = await neighbourhood.compare("at its quota", "over its quota", size);
  report("at 10 times its quota, against one at its quota", { ...result, ratios });
  expect(result.failed).toBe(0);
  expect(result.refused).toBeGreaterThan(result.accepted * 5);
  expect(result.upperBound).toBeLessThan(1.15);
}, 600_000);

test("check 5: what a project at 10 times its quota costs another, against one that does nothing, is reported", async () => {
  const size = { pairs: 4, slices: SLICES };
  const { ratios, ...result } = await neighbourhood.compare("none", "over its quota", size);
  report("at 10 times its quota, against nothing", { ...result, ratios });
  expect(result.failed).toBe(0);
}, 200_000);
