import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { size } from "../support/faults/figures.ts";
import { killUnderLoad } from "../support/faults/kills.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.close());

const KILLS = size(6, 30, 2);
/** How long the database is away each time. */
const AWAY_MS = 3_000;

test("N03, N10: with the database of configuration and sink killed, pushes go on, and the sink catches up within 60 s without doubles", async () => {
  const server = await cluster.startNode();
  const databaseUrl = cluster.sinkDatabaseUrl;
  const scene = await openScene({ target: server, databaseUrl, isEmbedded: false });
  const away: { fromMs: number; toMs: number }[] = [];
  try {
    await killUnderLoad(scene, {
      kills: KILLS,
      recordsBetween: 200,
      async kill() {
        await cluster.postgres.kill("SIGKILL");
        const fromMs = performance.now();
        await sleep(AWAY_MS);
        away.push({ fromMs, toMs: performance.now() });
        await cluster.postgres.restart();
      },
    });
    const backAtMs = performance.now();
    const acked = scene.load.history.count("ok");
    const sql = connect(databaseUrl);
    await waitFor(async () => (await countRows(sql, "load").catch(() => 0)) >= acked, {
      timeoutMs: 60_000,
      everyMs: 100,
      what: "the table to catch up",
    });
    const catchUpMs = performance.now() - backAtMs;
    await sql.end({ timeout: 2 });
    const during = scene.load.attempts.filter(({ atMs }) =>
      away.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs),
    );
    const good = during.filter(({ status }) => status === 200).length;
    const outcome = await scene.finish();
    const more = { pushesWhileDown: during.length, okShare: good / during.length, catchUpMs };
    expectWhole("kill-postgres", outcome, { faults: KILLS, more });
    expect(during.length).toBeGreaterThan(KILLS * 10);
    expect(more.okShare).toBeGreaterThanOrEqual(0.999);
  } finally {
    // It may end with no database at all.
    const { exitCode, signalCode } = server.child;
    if (exitCode !== null || signalCode !== null) process.stderr.write(server.output());
    await scene.close();
  }
}, 3_600_000);
