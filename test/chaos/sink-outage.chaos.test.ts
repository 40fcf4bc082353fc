import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { getSink } from "../support/api.ts";
import { startCluster } from "../support/cluster.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { faultsOf } from "../support/history.ts";
import { startLoad } from "../support/load.ts";
import { startTestPostgres } from "../support/postgres.ts";
import { startReceiver } from "../support/receiver.ts";
import { openRig } from "../support/rig.ts";
import { waitFor } from "../support/server.ts";

const OUTAGE_MS = 60_000;

test("D4, N04: a sink's database away for 60 s under load: ERROR with its cause, the other sink goes on, all delivered once after recovery", async () => {
  const [cluster, database, receiver] = await Promise.all([
    startCluster(),
    startTestPostgres({ durable: true }),
    startReceiver(),
  ]);
  const server = await cluster.startNode();
  const rig = await openRig({
    target: server,
    databaseUrl: await database.createDatabase(),
    isEmbedded: false,
    receiver,
  });
  const load = startLoad({ target: server, stream: rig.stream, writers: 4, pauseMs: 20 });
  const stateOf = async () => (await getSink(server, rig.postgresSink.name)).status;
  try {
    await waitFor(moreAcked(load, 100), { what: "the load to run" });
    await database.kill("SIGKILL");
    await sleep(OUTAGE_MS);
    const during = await stateOf();
    expect(during).toMatchObject({ state: "ERROR", cause: expect.stringMatching(/./) });
    const before = receiver.accepted().length;
    await waitFor(() => receiver.accepted().length > before + 50, { what: "the webhook to go on" });
    await database.restart();
    const backAt = performance.now();
    await waitFor(async () => (await stateOf())?.state === "RUNNING", {
      timeoutMs: 45_000,
      what: "the sink to run again",
    });
    report("sink database back after 60 s", { recoveryMs: performance.now() - backAt });
    await load.stop();
    expect(faultsOf(await rig.settle(load))).toEqual({});
  } finally {
    await load.stop(0);
    await rig.close();
    await Promise.all([receiver.close(), database.close(), cluster.close()]);
  }
}, 240_000);
