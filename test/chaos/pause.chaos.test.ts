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

test("N04, N05: an owner frozen for 90 s and woken after another took over puts nothing twice or out of order into Postgres", async () => {
  const result = await freezeOwner(cluster, 90_000);
  report("owner frozen for 90 s", {
    takeoverMs: result.takeoverMs,
    acked: result.table.acked,
    webhookCopies: result.webhook.dup.length,
    repeatedRequests: result.repeatedRequests,
  });
  expect(result.surprises).toEqual([]);
  expect(faultsOf(result.table)).toEqual({});
  expect(faultsOf(result.webhook, { dup: true })).toEqual({});
  expect(result.changedRequests).toEqual([]);
  expect(result.repeatedRequests).toBeLessThanOrEqual(16);
}, 300_000);
