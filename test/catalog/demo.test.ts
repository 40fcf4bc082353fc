import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ensureDemo, ensureOperator } from "../../src/catalog/demo.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

test("F01: makes the demo once, and hands out its secret once", async () => {
  const sinkDatabaseUrl = await createTestDatabase();
  const { catalog, snapshot } = await useTestCatalog({ sinkDatabaseUrl });
  const first = await ensureDemo(catalog);
  expect(first).toMatchObject({
    project: "projects/demo",
    stream: "projects/demo/streams/sensors",
  });
  expect(first.clientSecret).toMatch(/^tribsec_/);
  expect(await ensureDemo(catalog)).toEqual({ ...first, clientSecret: undefined });

  const stream = snapshot.stream(first.stream)!;
  expect(stream.keyFields).toEqual(["sensor_id"]);
  const [sink, ...others] = [...snapshot.sinks()];
  expect(others).toEqual([]);
  expect(sink).toMatchObject({ name: first.sink, startSequence: 1, log: stream.logs.get("main") });
  const roles = snapshot.grantsOf(first.clientId).map(({ resource, role }) => ({ resource, role }));
  expect(roles).toContainEqual({ resource: "projects/demo", role: 3 });
  expect(roles).toContainEqual({ resource: "", role: 4 });
  expect(snapshot.applicationByClientId(first.clientId)?.operations).toHaveLength(3);
});

test("two nodes may make the demo at the same time", async () => {
  const masterKey = randomBytes(32);
  const one = await useTestCatalog({ masterKey });
  const two = await useTestCatalog({ masterKey, url: one.url });
  const results = await Promise.allSettled([ensureDemo(one.catalog), ensureDemo(two.catalog)]);
  const made = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  expect(made).toHaveLength(2);
  expect(new Set(made.map((demo) => demo.clientId)).size).toBe(1);
  expect(made.filter((demo) => demo.clientSecret !== undefined)).toHaveLength(1);
});

test("an operator's credentials can be given, and replaced at a later start", async () => {
  const { catalog, snapshot } = await useTestCatalog();
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "first" });
  const first = snapshot.applicationByClientId("ops")!;
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "first" });
  expect(snapshot.applicationByClientId("ops")).toBe(first);
  await ensureOperator(catalog, { clientId: "ops2", clientSecret: "second" });
  expect(snapshot.applicationByClientId("ops")).toBeUndefined();
  expect(
    snapshot
      .grantsOf("ops2")
      .map((grant) => grant.role)
      .sort(),
  ).toEqual([3, 4]);
});

test("without a database for its table the demo has no sink, and everything else", async () => {
  const { catalog } = await useTestCatalog();
  const demo = await ensureDemo(catalog, { hasSinkDatabase: false });
  expect(demo.sink).toBeUndefined();
  expect(demo.clientSecret).toMatch(/^tribsec_/);
});
