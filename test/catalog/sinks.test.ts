import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test } from "vitest";
import {
  Sink_State,
  type SinkSchema,
  Start_Position,
  type StartSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import type { Place } from "../../src/sinks/sink.ts";
import { type TestCatalogOptions, useTestCatalog } from "../support/catalog.ts";
import { databaseText } from "../support/database-text.ts";
import { failureOf } from "../support/reason-of-call.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

const parent = "projects/a/streams/s";
const name = `${parent}/sinks/k`;
type SinkInit = MessageInitShape<typeof SinkSchema>;
const file = (directory = "out") => ({
  config: { case: "file" as const, value: { directory } },
});

async function useStream(options: TestCatalogOptions = {}) {
  const opened = await useTestCatalog(options);
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  const fields = [
    { name: "id", type: Field_Type.STRING },
    { name: "value", type: Field_Type.DOUBLE },
  ];
  await ops.streams.createStream({
    parent: "projects/a",
    streamId: "s",
    stream: { schema: { fields } },
  });
  const create = (sink: SinkInit, more: { skipTest?: boolean; validateOnly?: boolean } = {}) =>
    ops.sinks.createSink({ parent, sinkId: "k", sink, ...more });
  return { ...opened, ops, create };
}

async function useReceiver(): Promise<string> {
  const server = createServer((_request, response) => response.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("makes a sink into the embedded database with its table, and the data plane knows it at once", async () => {
  const sinkDatabaseUrl = await createTestDatabase();
  const { create, snapshot, ops } = await useStream({ sinkDatabaseUrl });
  const { sink, note } = await create({
    config: { case: "postgres", value: { table: "readings" } },
  });
  expect(note).toBe("");
  expect(sink).toMatchObject({
    name,
    displayName: "k",
    branch: "main",
    version: 1n,
    start: { at: { case: "sequence", value: 1n } },
    status: { state: Sink_State.PENDING, startSequence: 1n },
  });
  const known = snapshot.sink(name)!;
  expect(known.versions.map((version) => [version.version, version.fromSequence])).toEqual([
    [1, 1],
  ]);
  expect(snapshot.sinksOfLog(known.log.uid)).toEqual([known]);
  expect((await ops.sinks.getSink({ name })).sink).toEqual(sink);
  expect((await ops.sinks.listSinks({ parent })).sinks).toEqual([sink]);
  const postgres = (await import("postgres")).default;
  const sql = postgres(sinkDatabaseUrl, { max: 1 });
  expect(await sql`SELECT * FROM readings`).toHaveLength(0);
  await sql.end();
});

test("a destination that does not answer is refused with its stage, unless skip_test says so", async () => {
  const { create, snapshot } = await useStream();
  const url = "postgres://nobody:none@127.0.0.1:1/none";
  const sink: SinkInit = { config: { case: "postgres", value: { databaseUrl: url, table: "t" } } };
  const failure = await failureOf(create(sink));
  expect(failure.reason).toBe("DESTINATION_REFUSED");
  expect(failure.message).toMatch(/^connect: /);
  expect(failure.message).not.toContain("none@");
  expect(snapshot.sink(name)).toBeUndefined();
  const made = await create(sink, { skipTest: true });
  expect(JSON.stringify(made.sink?.config)).not.toContain("none@");
  expect(snapshot.sink(name)?.versions[0]?.sink.config.value).toMatchObject({ databaseUrl: url });
});

test("names every fault at once", async () => {
  const { create, ops, snapshot } = await useStream();
  const faults = await failureOf(
    create({
      config: { case: "postgres", value: { table: "No Table", mode: 2 } },
      batching: { count: 100_000 },
      retry: { schedule: [{ seconds: 0n }, { seconds: 90_000n }] },
    }),
  );
  expect(faults.reason).toBe("INVALID_FIELDS");
  expect(faults.fields).toEqual(
    expect.arrayContaining([
      "sink.postgres.table",
      "sink.retry.schedule[0]",
      "sink.retry.schedule[1]",
    ]),
  );
  expect((await failureOf(create({}))).fields).toEqual(["sink"]);
  expect((await failureOf(create({ ...file(), branch: "none" }))).fields).toEqual(["sink.branch"]);
  const url = "https://example.com";
  const many: SinkInit = {
    config: { case: "webhook", value: { url } },
    batching: { count: 100_000 },
  };
  expect((await failureOf(create(many))).fields).toContain("sink.batching.count");
  await create(file(), { validateOnly: true });
  expect(snapshot.sink(name)).toBeUndefined();
  await create(file());
  expect(await failureOf(create(file()))).toMatchObject({
    reason: "ALREADY_EXISTS",
    fields: ["sink_id"],
  });
  const elsewhere = ops.sinks.createSink({
    parent: "projects/a/streams/none",
    sinkId: "k",
    sink: file(),
  });
  expect((await failureOf(elsewhere)).reason).toBe("RESOURCE_NOT_FOUND");
});

test("K03: a stream has at most 20 sinks, also when they are made at once", async () => {
  const { ops, database } = await useStream();
  const results = await Promise.allSettled(
    Array.from({ length: 22 }, (_, i) =>
      ops.sinks.createSink({ parent, sinkId: `k${i}`, sink: file(`out/${i}`), skipTest: true }),
    ),
  );
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(20);
  const more = ops.sinks.createSink({ parent, sinkId: "more", sink: file(), skipTest: true });
  expect(await failureOf(more)).toMatchObject({ reason: "QUOTA_EXCEEDED" });
  await expect(more).rejects.toThrow(
    "projects/a has 20 sinks on that stream and may have 20 (quota sinks_per_stream: 20)",
  );
  await database.sql`
    INSERT INTO tributary.project_limits (project_uid, suspend_reason, quotas, stop_when_used)
    SELECT uid, '', '{"sinks_per_stream": 21}', false FROM tributary.projects`;
  await ops.sinks.createSink({ parent, sinkId: "more", sink: file(), skipTest: true });
  const last = ops.sinks.createSink({ parent, sinkId: "last", sink: file(), skipTest: true });
  await expect(last).rejects.toThrow("(quota sinks_per_stream: 21)");
});

test("K18: the start becomes a sequence inside the call, and the note names what will not be seen", async () => {
  const opened = await useStream();
  const { create, ops } = opened;
  Object.assign(opened.catalog.logs, {
    info: async () => ({
      firstSequence: 10,
      lastSequence: 40,
      shardLastSequence: 55,
      messages: 9,
      bytes: 900,
    }),
  });
  const starts: [MessageInitShape<typeof StartSchema>["at"], number, boolean][] = [
    [{ case: undefined }, 56, true],
    [{ case: "position", value: Start_Position.LATEST }, 56, true],
    [{ case: "position", value: Start_Position.EARLIEST }, 10, false],
    [{ case: "sequence", value: 3n }, 10, false],
    [{ case: "sequence", value: 30n }, 30, true],
    [{ case: "time", value: timestampFromMs(33) }, 33, true],
  ];
  for (const [at, sequence, hasNote] of starts) {
    const { sink, note } = await create({ ...file(), start: { at: at! } });
    expect(sink?.start?.at).toEqual({ case: "sequence", value: BigInt(sequence) });
    expect(note !== "").toBe(hasNote);
    if (hasNote) expect(note).toContain(`10 to ${sequence - 1}`);
    await ops.sinks.deleteSink({ name });
  }
  const beyond = create({ ...file(), start: { at: { case: "sequence", value: 57n } } });
  expect((await failureOf(beyond)).fields).toEqual(["sink.start.sequence"]);
});

test("G14 G16: secrets of a webhook are made, shown once, kept over changes, and nowhere in clear", async () => {
  const { create, ops, database, snapshot } = await useStream();
  const host = await useReceiver();
  const password = `pw-${randomBytes(9).toString("hex")}`;
  const header = `hd-${randomBytes(9).toString("hex")}`;
  const url = `http://user:${password}@${host}/in`;
  const { sink } = await create({
    config: { case: "webhook", value: { url, headers: { "x-token": header } } },
  });
  const secret = sink?.config.case === "webhook" ? sink.config.value.signingSecret : "";
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const { sink: got } = await ops.sinks.getSink({ name });
  for (const answer of [got, (await ops.sinks.listSinks({ parent })).sinks[0]]) {
    const text = JSON.stringify(answer?.config);
    for (const hidden of [password, header, secret]) expect(text).not.toContain(hidden);
  }
  // Given back as it was shown, the sink keeps its secrets.
  await ops.sinks.updateSink({ sink: { ...got!, description: "new" } });
  const saved = () => snapshot.sink(name)!.versions.at(-1)!.sink.config.value;
  expect(saved()).toMatchObject({ url, headers: { "x-token": header }, signingSecret: secret });
  // To another server they do not go along.
  const other = await useReceiver();
  const move = (path: string) =>
    ops.sinks.updateSink({
      sink: { name, config: { case: "webhook", value: { url: `http://${other}/in` } } },
      updateMask: { paths: [path] },
    });
  expect((await failureOf(move("webhook.url"))).fields).toEqual([
    'sink.webhook.headers["x-token"]',
  ]);
  await move("webhook");
  const moved = JSON.stringify(saved());
  expect(moved).toContain(other);
  for (const hidden of [password, header]) expect(moved).not.toContain(hidden);
  const stored = await databaseText(database);
  for (const hidden of [password, header, secret]) {
    expect(stored).not.toContain(hidden);
    expect(stored).not.toContain(Buffer.from(hidden).toString("hex"));
  }
});

test("a definition opens with its own key and in its own row only", async () => {
  const masterKey = randomBytes(32);
  const { create, ops, database, url } = await useStream({ masterKey });
  await create(file("mine"));
  await ops.sinks.createSink({ parent, sinkId: "other", sink: file("theirs") });
  const wrong = await useTestCatalog({ url });
  expect(wrong.snapshot.stream(parent)).toBeDefined();
  expect([...wrong.snapshot.sinks()]).toEqual([]);
  await expect(wrong.as("ops").sinks.getSink({ name })).rejects.toThrow("internal");
  await database.sql`
    UPDATE tributary.sink_versions v SET sealed = o.sealed FROM tributary.sink_versions o
    WHERE v.sink_uid <> o.sink_uid`;
  const swapped = await useTestCatalog({ url, masterKey });
  expect([...swapped.snapshot.sinks()]).toEqual([]);
});

test("N09: each change is a version that applies from the next sequence on, or a later one that is chosen; kind, branch and start stay", async () => {
  const opened = await useStream();
  const { create, ops, snapshot } = opened;
  await create(file());
  const stored = { firstSequence: 1, lastSequence: 7, messages: 7, bytes: 70 };
  const info = { ...stored, shardLastSequence: 9, identity: "" };
  opened.logInfo = info;
  Object.assign(opened.catalog.logs, { info: async () => info });
  const { sink } = await ops.sinks.updateSink({
    sink: { name, batching: { count: 5 } },
    updateMask: { paths: ["batching.count"] },
  });
  expect(sink).toMatchObject({ version: 2n, batching: { count: 5 } });
  const versions = snapshot.sink(name)!.versions;
  expect(versions.map((version) => [version.version, version.fromSequence])).toEqual([
    [1, 1],
    [2, 10],
  ]);
  expect(versions[0]?.sink.batching).toBeUndefined();
  const change = (changed: SinkInit, ...paths: string[]) =>
    failureOf(ops.sinks.updateSink({ sink: { name, ...changed }, updateMask: { paths } }));
  const webhook = { config: { case: "webhook" as const, value: { url: "https://example.com" } } };
  expect((await change(webhook, "webhook")).fields).toEqual(["sink.webhook"]);
  expect((await change({ branch: "other" })).fields).toEqual(["sink.branch"]);
  const start = { at: { case: "sequence" as const, value: 5n } };
  expect((await change({ start })).fields).toEqual(["sink.start"]);
  expect((await change({}, "status", "x")).fields).toHaveLength(2);
  const later = (fromSequence: bigint) =>
    ops.sinks.updateSink({ sink: { name, batching: { count: 9 } }, fromSequence });
  expect((await failureOf(later(9n))).fields).toEqual(["from_sequence"]);
  await later(40n);
  expect(snapshot.sink(name)!.versions.at(-1)).toMatchObject({ version: 3, fromSequence: 40 });
  expect((await failureOf(later(39n))).fields).toEqual(["from_sequence"]);
  const { etag } = (await ops.sinks.getSink({ name })).sink!;
  await ops.sinks.updateSink({ sink: { name, description: "x", etag } });
  expect((await change({ description: "y", etag })).reason).toBe("ETAG_STALE");
});

test("pause, resume and restart reach the snapshot; the status is what delivery says", async () => {
  const { create, ops, snapshot } = await useStream({
    statuses: {
      statuses: async (sinks) =>
        new Map(sinks.map((sink) => [sink.uid, { state: Sink_State.ERROR, cause: sink.name }])),
    },
  });
  await create(file());
  const { sink } = await ops.sinks.pauseSink({ name });
  expect(sink?.status).toMatchObject({ state: Sink_State.ERROR, cause: name });
  const paused = snapshot.sink(name);
  expect(paused?.isPaused).toBe(true);
  await ops.sinks.pauseSink({ name });
  expect(snapshot.sink(name)).toBe(paused);
  await ops.sinks.resumeSink({ name });
  expect(snapshot.sink(name)).toMatchObject({ isPaused: false, restarts: 0 });
  await ops.sinks.restartSink({ name });
  expect(snapshot.sink(name)).toMatchObject({ isPaused: false, restarts: 1 });
  // What stopped by itself goes on by the same call as what was paused.
  await ops.sinks.resumeSink({ name });
  expect(snapshot.sink(name)).toMatchObject({ isPaused: false, restarts: 2 });
  await ops.sinks.deleteSink({ name });
  expect(snapshot.sink(name)).toBeUndefined();
  expect((await failureOf(ops.sinks.pauseSink({ name }))).reason).toBe("RESOURCE_NOT_FOUND");
});

test("tries a destination stage by stage without saving it", async () => {
  const sinkDatabaseUrl = await createTestDatabase();
  const { ops, snapshot, create } = await useStream({ sinkDatabaseUrl });
  const sink: SinkInit = { config: { case: "postgres", value: { table: "t" } } };
  const url = "postgres://x@127.0.0.1:1/x";
  const bad = await ops.sinks.testSink({
    parent,
    sink: { config: { case: "postgres", value: { table: "t", databaseUrl: url } } },
  });
  expect(bad.ok).toBe(false);
  expect(bad.stages.at(-1)).toMatchObject({ name: "connect", ok: false });
  expect([...snapshot.sinks()]).toEqual([]);
  await create(sink);
  const good = await ops.sinks.testSink({ parent, sink });
  expect(good.ok).toBe(true);
  expect(good.stages.length).toBeGreaterThan(1);
  expect((await ops.sinks.testSink({ parent, sink: { name } })).ok).toBe(true);
  const foreign = ops.sinks.testSink({ parent, sink: { name: "projects/b/streams/s/sinks/k" } });
  expect((await failureOf(foreign)).reason).toBe("RESOURCE_NOT_FOUND");
});

test("held records are listed, replayed and discarded by delivery", async () => {
  const calls: unknown[] = [];
  const note = (what: string) => async (sink: { name: string }, places: readonly Place[]) =>
    calls.push([what, sink.name, places]);
  const { create, ops } = await useStream({
    held: {
      read: async () => [],
      list: async (sink, page) => {
        calls.push(["list", sink.name, page]);
        return { heldRecords: [], nextPageToken: "next" };
      },
      replay: note("replay"),
      discard: note("discard"),
    },
  });
  await create(file());
  expect((await ops.sinks.listHeldRecords({ parent: name })).nextPageToken).toBe("next");
  expect((await ops.sinks.replayHeldRecords({ name, places: ["12-0", "13-4"] })).count).toBe(2n);
  await ops.sinks.discardHeldRecords({ name });
  expect(calls).toEqual([
    ["list", name, { pageSize: 50, pageToken: "", reason: "" }],
    [
      "replay",
      name,
      [
        { sequence: 12, index: 0 },
        { sequence: 13, index: 4 },
      ],
    ],
    ["discard", name, []],
  ]);
  const bad = ops.sinks.discardHeldRecords({ name, places: ["1-1", "x", "1"] });
  expect((await failureOf(bad)).fields).toEqual(["places[1]", "places[2]"]);
});

test("a branch that a sink delivers cannot be deleted; a stream takes its sinks along", async () => {
  const { create, ops, snapshot } = await useStream();
  await ops.streams.createBranch({ parent, branchId: "test" });
  const { sink } = await create({ ...file(), branch: "test" });
  expect(sink?.branch).toBe("test");
  const branch = { name: `${parent}/branches/test` };
  expect((await failureOf(ops.streams.deleteBranch(branch))).reason).toBe("WRONG_STATE");
  await ops.streams.deleteStream({ name: parent });
  expect([...snapshot.sinks()]).toEqual([]);
});
