import { expect, test } from "vitest";
import { createStream } from "../support/api.ts";
import { startCluster } from "../support/cluster.ts";
import { printFigures, size } from "../support/faults/figures.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { traceSyncs } from "../support/faults/sync-trace.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { waitFor } from "../support/server.ts";

const RECORDS = size(300, 5_000);

/** Pushes one call at a time, and watches what nats-server writes and syncs. */
async function traceWith(syncInterval: "always" | "2m") {
  const cluster = await startCluster({ nats: { syncInterval } });
  try {
    const server = await cluster.startNode({ env: { TRIBUTARY_ROLES: "api,push" } });
    const stream = await createStream(server, "traced", { fields: LOAD_FIELDS });
    const trace = await traceSyncs(cluster.nats.pid);
    // With one writer every block is at rest when an answer is sent.
    const load = startLoad({ target: server, stream, writers: 1, recordsPerCall: 1, pauseMs: 0 });
    await waitFor(moreAcked(load, RECORDS), { timeoutMs: 180_000, what: "the load" });
    await load.stop();
    return await trace.end();
  } finally {
    await cluster.close();
  }
}

test("N03: nats-server answers a publish only after the block that has it was synced to disk", async () => {
  const synced = await traceWith("always");
  const control = await traceWith("2m");
  printFigures(
    "fsync-order",
    { faults: 0 },
    {
      answers: synced.answers,
      syncs: synced.syncs,
      answeredUnsynced: synced.early,
      controlAnswers: control.answers,
      controlAnsweredUnsynced: control.early,
    },
  );
  expect(synced.answers).toBeGreaterThanOrEqual(RECORDS);
  expect(synced.early).toBe(0);
  // The control shows that the trace can see it.
  expect(control.early).toBeGreaterThan(0);
}, 900_000);
