import { expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { killServerUnderLoad } from "../support/faults/server-kill.ts";
import { faultsOf } from "../support/history.ts";

test("N03, N04, N05: the server killed with -9 at 20 random moments under load loses, doubles and reorders nothing in Postgres", async () => {
  const result = await killServerUnderLoad(20);
  report("server killed 20 times", {
    acked: result.table.acked,
    startsMs: result.startsMs,
    webhookCopies: result.webhook.dup.length,
    repeatedRequests: result.repeatedRequests,
  });
  expect(result.surprises).toEqual([]);
  expect(faultsOf(result.table)).toEqual({});
  expect(faultsOf(result.webhook, { dup: true })).toEqual({});
  expect(result.changedRequests).toEqual([]);
}, 600_000);
