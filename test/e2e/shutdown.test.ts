import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { faultsOf } from "../support/history.ts";
import { startLoad } from "../support/load.ts";
import { openRig, settleTable } from "../support/rig.ts";
import { startServer, waitFor } from "../support/server.ts";

test("SIGTERM under load: calls in flight are answered, exit 0 inside 10 s, and the next start has everything once", async () => {
  const port = await findFreePort();
  const first = await startServer({ port });
  const { dataDir } = first;
  const rig = await openRig({ target: first, databaseUrl: first.env.SINK_DATABASE_URL ?? "" });
  // Calls that fail are not repeated: what was cut off would show as an unknown fate.
  const load = startLoad({ target: first, stream: rig.stream, repeat: false, writers: 16 });
  await waitFor(moreAcked(load, 500), { what: "the load to run" });
  const startedAt = performance.now();
  const code = await first.stop("SIGTERM");
  const tookMs = performance.now() - startedAt;
  await load.stop(0);
  const cut = load.attempts.filter((a) => a.status === 0 && !/ECONNREFUSED/.test(a.reason));
  await rig.close();
  const second = await startServer({ dataDir, port });
  try {
    const again = await settleTable(second.env.SINK_DATABASE_URL ?? "", load.history);
    report("SIGTERM under load", { tookMs, cut: cut.map((a) => a.reason), acked: again.acked });
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(10_000);
    expect(load.surprises).toEqual([]);
    expect(cut).toEqual([]);
    expect(faultsOf(again)).toEqual({});
  } finally {
    await second.close();
  }
}, 90_000);
