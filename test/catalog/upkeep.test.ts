import { expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { createLogPurger } from "../../src/catalog/log-purger.ts";
import { startUpkeep } from "../../src/catalog/upkeep.ts";
import { useTestCatalog } from "../support/catalog.ts";

const name = "projects/a/streams/s";

async function useStream() {
  let nowMs = Date.now();
  const opened = await useTestCatalog({ now: () => nowMs });
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  const schema = { fields: [{ name: "id", type: Field_Type.STRING }] };
  await ops.streams.createStream({ parent: "projects/a", streamId: "s", stream: { schema } });
  const upkeep = startUpkeep(opened.catalog);
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { ...opened, ops, upkeep, pass };
}

test("a generation that was sealed and never followed by the next one gets one", async () => {
  const { catalog, ops, snapshot, upkeep, pass, logCalls } = await useStream();
  const { sealGeneration } = catalog;
  // As if Postgres died after the seal: the transaction is rolled back.
  Object.assign(catalog, {
    sealGeneration: async (...args: Parameters<typeof sealGeneration>) => {
      await sealGeneration(...args);
      throw new Error("gone");
    },
  });
  await expect(ops.streams.updateStream({ stream: { name, keyFields: ["id"] } })).rejects.toThrow();
  Object.assign(catalog, { sealGeneration });
  await upkeep.run();
  expect(snapshot.stream(name)?.generation).toBe(1);
  pass(61_000);
  await upkeep.run();
  expect(snapshot.stream(name)).toMatchObject({ generation: 2, keyFields: [] });
  const { uid } = snapshot.stream(name)!.logs.get("main")!;
  expect(logCalls).toEqual([`seal ${uid} 1`, `seal ${uid} 1`]);
  await upkeep.run();
  expect(snapshot.stream(name)?.generation).toBe(2);
  upkeep.close();
});

test("the list of changes stays bounded", async () => {
  const { database, upkeep } = await useStream();
  await database.sql`
    INSERT INTO tributary.changes (kind, uid) SELECT 'none', 'x' FROM generate_series(1, 100500)`;
  await upkeep.run();
  const [row] = await database.sql`SELECT count(*)::int AS count FROM tributary.changes`;
  expect(row?.count).toBe(100_001);
  upkeep.close();
});

test("logs of deleted streams are purged after 7 days, and again once no node can push to them", async () => {
  const { catalog, ops, snapshot, pass, logCalls, database, upkeep } = await useStream();
  const { uid } = snapshot.stream(name)!.logs.get("main")!;
  await ops.streams.deleteStream({ name });
  await upkeep.run();
  expect(logCalls).toEqual([]);
  const { deleted } = await ops.deleted.listDeleted({ parent: "projects/a" });
  expect(deleted.map(({ resource }) => resource)).toEqual([name]);
  pass(7 * 86_400_000 + 1);
  await upkeep.run();
  upkeep.close();
  expect(logCalls).toEqual([`purge ${uid}`]);
  expect((await ops.deleted.listDeleted({ parent: "projects/a" })).deleted).toEqual([]);
  const purger = createLogPurger({
    database,
    logger: catalog.logger,
    now: catalog.now,
    purgeLog: async (log) => void logCalls.push(`again ${log.uid}`),
  });
  await purger.sweep();
  expect(logCalls).toHaveLength(1);
  pass(17 * 60_000);
  await purger.sweep();
  await purger.sweep();
  expect(logCalls).toEqual([`purge ${uid}`, `again ${uid}`]);
  purger.close();
});
