import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { report } from "../support/faults/outage.ts";
import { freezeOwner } from "../support/faults/takeover.ts";
import { faultsOf } from "../support/history.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

test("N04, N05: an owner frozen for 12 s and woken after another took over puts nothing twice or out of order into Postgres", async () => {
  const result = await freezeOwner(cluster, 12_000);
  report("owner frozen", {
    takeoverMs: result.takeoverMs,
    acked: result.table.acked,
    webhookCopies: result.webhook.dup.length,
    repeatedRequests: result.repeatedRequests,
  });
  expect(result.surprises).toEqual([]);
  expect(faultsOf(result.table)).toEqual({});
  expect(faultsOf(result.webhook, { dup: true })).toEqual({});
  expect(result.changedRequests).toEqual([]);
  // At most what was in flight at the freeze comes again: one request a partition.
  expect(result.repeatedRequests).toBeLessThanOrEqual(16);
}, 90_000);
