import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStream, getSink, listAll, push, schemaOf } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { killDependencyUnderLoad } from "../support/faults/dependency-kill.ts";
import { attemptsBetween, judgeOutage, moreAcked, report } from "../support/faults/outage.ts";
import { checkHistory, faultsOf } from "../support/history.ts";
import { startLoad } from "../support/load.ts";
import { startReceiver } from "../support/receiver.ts";
import { acceptedRows, openRig } from "../support/rig.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let cluster: Cluster;
let server: TestServer;

beforeAll(async () => {
  cluster = await startCluster();
  server = await cluster.startNode();
});
afterAll(() => cluster?.close());

test("NATS killed with -9 for 7 s under load: pushes get 503 with a retry hint within 5 s, work within 5 s of its return, nothing is lost", async () => {
  const rig = await openRig({
    target: server,
    id: "natsoutage",
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
  });
  const load = startLoad({ target: server, stream: rig.stream });
  await waitFor(moreAcked(load, 300), { what: "the load to run" });
  const killedAt = performance.now();
  await cluster.nats.kill("SIGKILL");
  await sleep(7_000);
  const readiness = await fetch(`${server.url}/readyz`);
  const readinessText = await readiness.text();
  await cluster.nats.restart();
  const backAt = performance.now();
  await waitFor(moreAcked(load, 300), { timeoutMs: 15_000, what: "pushes to work again" });
  await load.stop();
  const figures = judgeOutage(load, killedAt, backAt);
  const verdict = await rig.settle(load);
  report("NATS outage", { ...figures, acked: verdict.acked });
  await rig.close();
  expect(readiness.status).toBe(503);
  expect(readinessText).toMatch(/nats|log/i);
  expect(load.surprises).toEqual([]);
  expect(figures.failed).toBeGreaterThan(0);
  expect(Object.keys(figures.refusals)).toEqual(["503 LOG_UNAVAILABLE"]);
  expect(figures.withoutHint).toBe(0);
  expect(figures.slowestMs).toBeLessThan(6_000);
  expect(figures.recoveryMs).toBeLessThan(5_000);
  expect(faultsOf(verdict)).toEqual({});
}, 60_000);

test("Postgres of the definitions killed with -9 for 4 s under load: pushes and the webhook go on, management answers 503, nothing is lost", async () => {
  const receiver = await startReceiver();
  const rig = await openRig({
    target: server,
    id: "dboutage",
    databaseUrl: cluster.sinkDatabaseUrl,
    isEmbedded: false,
    receiver,
  });
  const load = startLoad({ target: server, stream: rig.stream });
  await waitFor(moreAcked(load, 300), { what: "the load to run" });
  await waitFor(() => receiver.accepted().length > 0, { what: "the webhook to get records" });
  const killedAt = performance.now();
  await cluster.postgres.kill("SIGKILL");
  const before = receiver.accepted().length;
  await sleep(500);
  const managed = await Promise.all([
    server.get("/v1/projects/demo/streams"),
    server.post("/v1/projects/demo/streams?streamId=late", { schema: schemaOf({ n: "LONG" }) }),
  ]);
  await sleep(3_000);
  const during = attemptsBetween(load, killedAt, performance.now());
  const duringHook = receiver.accepted().length - before;
  await cluster.postgres.restart();
  const backAt = performance.now();
  await waitFor(async () => (await server.get("/v1/projects/demo/streams")).status === 200, {
    timeoutMs: 10_000,
    what: "management to work again",
  });
  const recoveryMs = performance.now() - backAt;
  await load.stop();
  const verdict = await rig.settle(load);
  await waitFor(() => checkHistory(load.history, acceptedRows(receiver)).lost.length === 0, {
    timeoutMs: 20_000,
    everyMs: 200,
    what: "the webhook to have everything",
  });
  report("Postgres outage", {
    pushesDuring: during.length,
    failedDuring: during.filter((a) => a.status !== 200).length,
    webhookRecordsDuring: duringHook,
    managementRecoveryMs: recoveryMs,
    acked: verdict.acked,
  });
  await rig.close();
  await receiver.close();
  for (const answer of managed) expect(answer.status).toBe(503);
  expect(during.length).toBeGreaterThan(20);
  expect(during.filter((a) => a.status !== 200)).toEqual([]);
  expect(duringHook).toBeGreaterThan(20);
  expect(recoveryMs).toBeLessThan(5_000);
  expect(faultsOf(verdict)).toEqual({});
  expect(faultsOf(checkHistory(load.history, acceptedRows(receiver)), { dup: true })).toEqual({});
  expect((await getSink(server, rig.postgresSink.name)).status?.state).toBe("RUNNING");
}, 60_000);

test("the embedded nats-server and Postgres, killed with -9 under load, are started again and nothing is lost", async () => {
  const embedded = await startServer();
  try {
    for (const name of ["nats", "postgres"] as const) {
      const result = await killDependencyUnderLoad(embedded, name, 1);
      report(`embedded ${name} killed`, { ...result, verdict: undefined, ...result.verdict });
      expect(result.surprises).toEqual([]);
      expect(faultsOf(result.verdict)).toEqual({});
      expect(Math.max(...result.recoveriesMs)).toBeLessThan(10_000);
    }
    const stream = await createStream(embedded, "after", { fields: { n: "LONG" } });
    expect((await push(embedded, stream, [{ n: 1 }])).status).toBe(200);
    expect(await listAll(embedded, stream)).toHaveLength(1);
  } finally {
    await embedded.close();
  }
}, 90_000);
