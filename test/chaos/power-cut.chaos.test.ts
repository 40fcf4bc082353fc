import { userInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { report } from "../support/faults/outage.ts";
import { cutPower, cutPowerWithoutSync } from "../support/faults/power-cut.ts";
import { faultsOf } from "../support/history.ts";

// Loop devices and mounts are for root on Linux.
describe.skipIf(process.platform !== "linux" || userInfo().uid !== 0)("power cut", () => {
  test("N03: a power cut under load loses, doubles and reorders no acknowledged record", async () => {
    for (let run = 0; run < 3; run++) {
      const { log, table } = await cutPower(5_000);
      report("power cut", { acked: log.acked, log: log.stored, table: table.stored });
      expect(log.acked).toBeGreaterThanOrEqual(5_000);
      expect(faultsOf(log)).toEqual({});
      expect(faultsOf(table)).toEqual({});
    }
  }, 300_000);

  test("the control run without fsync loses acknowledged records, so the test can fail", async () => {
    const verdict = await cutPowerWithoutSync(3_000);
    report("power cut without fsync", { acked: verdict.acked, lost: verdict.lost.length });
    expect(verdict.lost.length).toBeGreaterThan(0);
  }, 240_000);
});
