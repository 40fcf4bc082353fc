import { expect, test } from "vitest";
import { printFigures, size } from "../support/faults/figures.ts";
import { longest } from "../support/faults/kills.ts";
import { killServerUnderLoad } from "../support/faults/server-kill.ts";
import { faultsOf } from "../support/history.ts";

const KILLS = size(10, 100);

test("N03, N04, N05: the server killed with -9 at random moments under load loses, doubles and reorders nothing in Postgres", async () => {
  const result = await killServerUnderLoad(KILLS);
  const { table, webhook, repeatedRequests } = result;
  const figures = { faults: KILLS, sinks: { postgres: table, webhook } };
  printFigures("kill-server", figures, { repeatedRequests, startMs: longest(result.startsMs) });
  expect(result.surprises).toEqual([]);
  expect(faultsOf(table)).toEqual({});
  expect(faultsOf(webhook, { dup: true })).toEqual({});
  expect(result.changedRequests).toEqual([]);
}, 3_600_000);
