/**
 * An older version and this one: side by side on one NATS and one Postgres, and one after the other on one data
 * folder. Skipped where the history does not reach back (TRIBUTARY_OLDER names another commit than the default).
 */
import { afterAll, expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { startCluster } from "../support/cluster.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { expectWhole, openScene, type Scene } from "../support/faults/scene.ts";
import { openOlderVersion } from "../support/older-version.ts";
import { makeDataDir, removeData, startServer, type Target, waitFor } from "../support/server.ts";

const older = openOlderVersion();
afterAll(() => older?.close());

const LOAD = { writers: 4, pauseMs: 10 };
const runOn = async (scenes: readonly Scene[]) => {
  for (const { load } of scenes) {
    await waitFor(moreAcked(load, 300), { timeoutMs: 60_000, what: "the load to run" });
  }
};

test.skipIf(!older)(
  "B21: an older version and this one on one NATS and one Postgres take pushes and deliver, and this one takes over from a killed older one: 0 lost, order kept",
  async () => {
    const cluster = await startCluster();
    const scenes: Scene[] = [];
    try {
      const first = await cluster.startNode({ root: older!.root });
      let url = first.url;
      const where = { databaseUrl: cluster.sinkDatabaseUrl, isEmbedded: false, load: LOAD };
      const target: Target = {
        get url() {
          return url;
        },
        token: () => second?.token() ?? first.token(),
      };
      let second: Target | undefined;
      scenes.push(await openScene({ ...where, target, id: "older" }));
      await runOn(scenes);
      // It brings the database to its own version while the older node runs.
      const newer = await cluster.startNode({ env: { PUBLIC_URL: first.url } });
      second = newer;
      scenes.push(await openScene({ ...where, target: newer, id: "newer" }));
      await runOn(scenes);
      await runOn(scenes);
      await first.stop("SIGKILL");
      url = newer.url;
      await runOn(scenes);
      for (const scene of scenes) {
        expectWhole("mixed versions", await scene.finish({ timeoutMs: 120_000 }), { faults: 1 });
      }
    } finally {
      for (const scene of scenes) await scene.close();
      await cluster.close();
    }
  },
  400_000,
);

test.skipIf(!older)(
  "B21: this version goes on with the data folder of a killed older one: 0 lost, order kept, ledgers exact",
  async () => {
    const dataDir = makeDataDir();
    const port = await findFreePort();
    let server = await startServer({ dataDir, port, root: older!.root });
    let scene: Scene | undefined;
    try {
      const databaseUrl = () => server.env.SINK_DATABASE_URL ?? "";
      scene = await openScene({ target: server, databaseUrl: databaseUrl(), load: LOAD });
      await runOn([scene]);
      await server.stop("SIGKILL");
      server = await startServer({ dataDir, port });
      await runOn([scene]);
      const outcome = await scene.finish({ databaseUrl: databaseUrl(), timeoutMs: 120_000 });
      expectWhole("newer version on an older folder", outcome, { faults: 1 });
      expect(server.output()).not.toMatch(/"level":"error"/);
    } finally {
      await scene?.close();
      await server.close();
      await removeData(dataDir);
    }
  },
  300_000,
);
