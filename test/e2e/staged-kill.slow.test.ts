import { expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { killServerUnderLoad } from "../support/faults/server-kill.ts";
import { faultsOf } from "../support/history.ts";

test("K14, K16, D1: a server that is killed with -9 at 3 random moments loses, doubles and disorders no staged row", async () => {
  // The last rows are fewer than the count: the time condition brings them.
  const staging = { count: "150", time: "30s" };
  const { table, surprises, startsMs } = await killServerUnderLoad(3, { staging });
  report("server killed 3 times, rows staged", { acked: table.acked, startsMs });
  expect(surprises).toEqual([]);
  expect(faultsOf(table)).toEqual({});
}, 300_000);
