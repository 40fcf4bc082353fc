import { afterEach, beforeEach, expect, test } from "vitest";
import { countsOf, createSink, createStream, getSink, listAll } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { flipBit } from "../support/faults/bit-flip.ts";
import { printFigures } from "../support/faults/figures.ts";
import { startFaultNode } from "../support/faults/nodes.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { startReceiver } from "../support/receiver.ts";
import { waitFor } from "../support/server.ts";

let cluster: Cluster;

beforeEach(async () => {
  cluster = await startCluster();
});
afterEach(() => cluster?.close());

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`a bit that flips in a block while nats-server is down (ended by ${signal}): what is lost is reported to a sink that needs it and in the log of the server`, async () => {
    const receiver = await startReceiver({ kind: "status", status: 503 });
    const node = await startFaultNode(cluster, "api,push,deliver");
    const stream = await createStream(node.server, "flipped", { fields: LOAD_FIELDS });
    const sink = await createSink(node.server, stream, {
      id: "hook",
      webhook: { url: receiver.url },
      retry: { schedule: ["0.5s"] },
    });
    const load = startLoad({ target: node.server, stream, writers: 2, recordsPerCall: 1 });
    await waitFor(moreAcked(load, 300), { timeoutMs: 60_000, what: "the load" });
    await load.stop();
    const acked = load.history.count("ok");
    await waitFor(async () => (await countsOf(node.server, sink.name)).pushed === acked, {
      what: "the sink to have counted",
    });
    await node.end("SIGTERM");
    await cluster.nats.kill(signal);
    await flipBit(cluster.nats.storeDir);
    await cluster.nats.restart();
    await node.start();
    receiver.mode = { kind: "ok" };
    let seen = "";
    const status = await waitFor(
      async () => {
        const found = (await getSink(node.server, sink.name)).status;
        seen = JSON.stringify(found);
        return found?.state === "ERROR" && found.reason !== "HTTP_503" ? found : undefined;
      },
      {
        timeoutMs: 60_000,
        everyMs: 200,
        what: () => `the sink to report the loss: ${seen} ${node.server.output()}`,
      },
    );
    const stored = (await listAll(node.server, stream)).length;
    const lost = acked - stored;
    const alarm = await waitFor(() => /stored records are missing/.test(node.server.output()), {
      timeoutMs: 20_000,
    }).catch(() => false);
    const more = { endedBy: signal, acked, lost, reason: status.reason, alarm };
    printFigures("bit-flip", { faults: 1 }, more);
    expect(lost).toBeGreaterThan(0);
    expect(status.cause).toMatch(/missing|behind|recreated|sequence/i);
    expect(alarm).toBe(true);
    await receiver.close();
  }, 240_000);
}
