import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { Field_Type, Stream_Throughput } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { failureOf } from "../support/reason-of-call.ts";

const schema = {
  fields: [
    { name: "id", type: Field_Type.STRING },
    { name: "value", type: Field_Type.DOUBLE, nullable: true },
  ],
};
const parent = "projects/a";
const name = "projects/a/streams/s";

async function useProject() {
  const opened = await useTestCatalog();
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  return { ...opened, ops };
}

test("F05 F06: a stream has its defaults, its partitions and its branch main, and is known at once", async () => {
  const { ops, snapshot } = await useProject();
  const { stream } = await ops.streams.createStream({
    parent,
    streamId: "s",
    stream: { schema, keyFields: ["id"], throughput: Stream_Throughput.HIGH },
  });
  expect(stream).toMatchObject({ name, partitions: 4, schemaVersion: 1n, generation: 1n });
  expect(stream?.retention).toMatchObject({ bytes: 2n ** 30n, age: { seconds: 604_800n } });
  const known = snapshot.stream(name)!;
  expect(known).toMatchObject({ uid: stream?.uid, keyFields: ["id"], partitions: 4 });
  expect(snapshot.streamByLog(known.logs.get("main")!.uid)).toBe(known);
  expect((await ops.streams.getStream({ name })).stream).toEqual(stream);
});

test("F10: names every fault at once, and makes nothing", async () => {
  const { ops, snapshot } = await useProject();
  const failure = await failureOf(
    ops.streams.createStream({
      parent,
      streamId: "s",
      stream: {
        schema: {
          fields: [
            { name: "a", type: 1 },
            { name: "a", type: 1 },
            { name: "", type: 2 },
          ],
        },
        keyFields: ["missing"],
        retention: { bytes: 1n, age: durationFromMs(1_000) },
      },
    }),
  );
  expect(failure.reason).toBe("INVALID_FIELDS");
  expect(failure.fields).toEqual(
    expect.arrayContaining([
      "stream.schema.fields[1].name",
      "stream.schema.fields[2].name",
      "stream.key_fields[0]",
      "stream.retention.bytes",
      "stream.retention.age",
    ]),
  );
  expect(snapshot.stream(name)).toBeUndefined();
  const nameless = await failureOf(ops.streams.createStream({ parent, stream: { schema: {} } }));
  expect(nameless.fields).toEqual(["stream_id", "stream.schema.fields"]);
});

test("S05: a name is taken once in its project; validate_only makes nothing, and says what creation would say", async () => {
  const { ops, snapshot } = await useProject();
  const request = { parent, streamId: "s", stream: { schema }, validateOnly: true };
  expect((await ops.streams.createStream(request)).stream).toMatchObject({ name, partitions: 1 });
  expect(snapshot.stream(name)).toBeUndefined();
  await ops.streams.createStream({ ...request, validateOnly: false });
  const taken = { reason: "ALREADY_EXISTS", fields: ["stream_id"] };
  expect(await failureOf(ops.streams.createStream(request))).toMatchObject(taken);
  const elsewhere = ops.streams.createStream({ ...request, parent: "projects/none" });
  expect((await failureOf(elsewhere)).reason).toBe("RESOURCE_NOT_FOUND");
});

test("changed keys or throughput seal the old generation and open the next, changed fields a schema version", async () => {
  const { ops, snapshot, logCalls } = await useProject();
  await ops.streams.createStream({ parent, streamId: "s", stream: { schema, keyFields: ["id"] } });
  await ops.streams.createBranch({ parent: name, branchId: "test" });
  const logs = [...snapshot.stream(name)!.logs.values()];
  expect(logs.map((log) => log.branch)).toEqual(["main", "test"]);
  const { stream: higher } = await ops.streams.updateStream({
    stream: { name, throughput: Stream_Throughput.MAX },
  });
  expect(higher).toMatchObject({ partitions: 16, generation: 2n, schemaVersion: 1n });
  expect(logCalls).toEqual(logs.map((log) => `seal ${log.uid} 1`));
  const fields = [...schema.fields, { name: "more", type: Field_Type.JSON, nullable: true }];
  const { stream: wider } = await ops.streams.updateStream({
    stream: { name, schema: { fields } },
    updateMask: { paths: ["schema"] },
  });
  expect(wider).toMatchObject({ partitions: 16, generation: 2n, schemaVersion: 2n });
  await ops.streams.updateStream({ stream: { name, description: "only words" } });
  expect(logCalls).toHaveLength(2);
  const known = snapshot.stream(name)!;
  expect(known).toMatchObject({ generation: 2, schemaVersion: 2 });
  expect(known.history.map((version) => [version.generation, version.schemaVersion])).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect(known.history[0]).toMatchObject({ partitions: 1, keyFields: ["id"] });
});

test("a generation that cannot be sealed is not left", async () => {
  const { ops, snapshot, catalog } = await useProject();
  await ops.streams.createStream({ parent, streamId: "s", stream: { schema } });
  Object.assign(catalog, {
    sealGeneration: async () => {
      throw new Error("the log is away");
    },
  });
  const failing = ops.streams.updateStream({ stream: { name, keyFields: ["id"] } });
  await expect(failing).rejects.toThrow();
  await snapshot.refresh();
  expect(snapshot.stream(name)).toMatchObject({ generation: 1, keyFields: [] });
});

test("F02: branches are logs of their own; main stays; deleted ones are purged", async () => {
  const { ops, snapshot, logCalls, database } = await useProject();
  await ops.streams.createStream({ parent, streamId: "s", stream: { schema } });
  const { branch } = await ops.streams.createBranch({ parent: name, branchId: "test" });
  const [main] = [...snapshot.stream(name)!.logs.values()];
  expect(branch?.uid).not.toBe(main?.uid);
  expect((await ops.streams.listBranches({ parent: name })).branches.map((b) => b.name)).toEqual([
    `${name}/branches/test`,
    `${name}/branches/main`,
  ]);
  const dropMain = ops.streams.deleteBranch({ name: `${name}/branches/main` });
  expect((await failureOf(dropMain)).reason).toBe("WRONG_STATE");
  await ops.streams.deleteBranch({ name: branch!.name });
  expect(snapshot.streamByLog(branch!.uid)).toBeUndefined();
  await ops.projects.deleteProject({ name: parent });
  expect(logCalls).toEqual([`purge ${branch?.uid}`, `purge ${main?.uid}`]);
  expect(snapshot.stream(name)).toBeUndefined();
  // They stay noted, for a second purge once no node can push to them any more.
  const noted = await database.sql`SELECT log_uid FROM tributary.purges ORDER BY log_uid`;
  expect(noted.map((row) => row.log_uid)).toEqual([branch!.uid, main!.uid].sort());
});

test("logs are spread over the shards", async () => {
  const { ops, snapshot } = await useProject();
  for (let i = 0; i < 8; i++) {
    await ops.streams.createStream({ parent, streamId: `s${i}`, stream: { schema } });
  }
  const shards = [...snapshot.streams()].map((stream) => stream.logs.get("main")!.shard);
  expect(shards.toSorted()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
});

test("a page token of another list is refused", async () => {
  const { ops } = await useProject();
  await ops.projects.createProject({ projectId: "b", project: {} });
  for (const streamId of ["s", "t"]) {
    await ops.streams.createStream({ parent, streamId, stream: { schema } });
  }
  const { nextPageToken: pageToken } = await ops.streams.listStreams({ parent, pageSize: 1 });
  expect((await ops.streams.listStreams({ parent, pageToken })).streams).toHaveLength(1);
  for (const request of [
    { parent: "projects/b", pageToken },
    { parent, pageToken: "x" },
  ]) {
    const failure = await failureOf(ops.streams.listStreams(request));
    expect(failure.reason).toBe("PAGE_TOKEN_INVALID");
  }
});
