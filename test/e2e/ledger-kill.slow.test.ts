import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { call, createSink, createStream } from "../support/api.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../support/load.ts";
import { startReceiver } from "../support/receiver.ts";
import { makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

interface Ledger {
  counts: Record<string, string>;
  balanced?: boolean;
}

const KILLS = 2;
/** Every fifth record is left out by the filter; of the others every seventh is refused. */
const isFiltered = (n: number) => n % 5 === 0;
const isRefused = (n: number) => n % 7 === 0;

test("N07, B11: delivered + filtered + held = pushed, each as large as what writers and receiver saw, after kill -9 under load", async () => {
  const dataDir = makeDataDir();
  const port = await findFreePort();
  const receiver = await startReceiver({ kind: "refuse", isBad: ({ n }) => isRefused(Number(n)) });
  let server = await startServer({ dataDir, port });
  let load: Load | undefined;
  try {
    const stream = await createStream(server, "load", {
      fields: LOAD_FIELDS,
      keyFields: ["key"],
      throughput: "HIGH",
    });
    const { name } = await createSink(server, stream, {
      id: "hook",
      webhook: { url: receiver.url },
      filter: { cel: "record.n % 5 != 0" },
      retry: { schedule: ["0.5s"] },
    });
    const ledger = async () => {
      const method = "management.v1.DeliveryService/GetLedger";
      const answer = await call<{ ledger: Ledger }>(server, method, { name });
      expect(answer.ledger.balanced).toBe(true);
      const { counts } = answer.ledger;
      return Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, Number(count)]));
    };
    load = startLoad({ target: server, stream, writers: 4, recordsPerCall: 3, pauseMs: 10 });
    for (let kill = 0; kill < KILLS; kill++) {
      await waitFor(moreAcked(load, 150), { timeoutMs: 30_000, what: "the load to run" });
      await sleep(100 + Math.random() * 700);
      await server.stop("SIGKILL");
      server = await startServer({ dataDir, port });
      await ledger();
    }
    await load.stop();
    expect(load.surprises).toEqual([]);
    const pushed = load.history.count("ok");
    const counts = await waitFor(
      async () => {
        const found = await ledger();
        return found.pushed === pushed && !found.pending ? found : undefined;
      },
      { timeoutMs: 90_000, everyMs: 250, what: `a ledger of ${pushed} records` },
    );
    const accepted = new Set(receiver.accepted().map(({ key, n }) => `${key} ${n}`));
    const sent = new Set(
      receiver.requests.flatMap(({ records }) => records.map(({ key, n }) => `${key} ${n}`)),
    );
    const refused = [...sent].filter((id) => isRefused(Number(id.split(" ")[1])));
    report("ledger after kills", { kills: KILLS, pushed, ...counts });
    expect([...sent].some((id) => isFiltered(Number(id.split(" ")[1])))).toBe(false);
    expect(counts.delivered).toBe(accepted.size);
    expect(counts.held).toBe(refused.length);
    expect(counts.filtered).toBe(pushed - accepted.size - refused.length);

    const bytes = new Map(
      receiver
        .accepted()
        .map((record) => [`${record.key} ${record.n}`, Buffer.byteLength(JSON.stringify(record))]),
    );
    const method = "management.v1.DeliveryService/GetStreamStatistics";
    const { statistics } = await call<{
      statistics: { sinks: { status: { deliveredBytes: string } }[] };
    }>(server, method, { name: stream });
    const deliveredBytes = Number(statistics.sinks[0]!.status.deliveredBytes);
    expect(deliveredBytes).toBe([...bytes.values()].reduce((sum, each) => sum + each, 0));
  } finally {
    await load?.stop(0);
    await server.close();
    await removeData(dataDir);
    await receiver.close();
  }
}, 240_000);
