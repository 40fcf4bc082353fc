import { afterAll, beforeAll, expect, test } from "vitest";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad, longest } from "../support/faults/kills.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { embeddedPid, startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

const KILLS = size(15, 50, 4);

test("N03: nats-server killed with -9 again and again under load loses, doubles and reorders nothing", async () => {
  const scene = await openScene({
    target: server,
    databaseUrl: server.env.SINK_DATABASE_URL ?? "",
    load: { recordsPerCall: size(5, 20) },
  });
  try {
    const recoveriesMs = await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: size(200, 4_000),
      async kill() {
        const before = embeddedPid(server.dataDir, "nats");
        process.kill(before, "SIGKILL");
        await waitFor(() => embeddedPid(server.dataDir, "nats") !== before, {
          timeoutMs: 30_000,
          what: "nats-server to be started again",
        });
      },
    });
    const outcome = await scene.finish();
    const recoveryMs = longest(recoveriesMs);
    expectWhole("kill-nats", outcome, { faults: KILLS, more: { recoveryMs } });
    expect(recoveryMs).toBeLessThan(30_000);
  } finally {
    await scene.close();
  }
}, 3_600_000);
