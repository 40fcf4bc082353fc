import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  AwsAccessSchema,
  PostgresSinkSchema,
  Sink_State,
  SinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDefinition } from "../../src/core/definitions.ts";
import { flushStaged } from "../../src/delivery/staged-flush.ts";
import { createStagingArea } from "../../src/delivery/staging-area.ts";
import { renameStagings } from "../../src/delivery/staging-identity.ts";
import { StagingImport } from "../../src/delivery/staging-import.ts";
import type { StagingObjects } from "../../src/delivery/staging-objects.ts";
import { stagingFacts, withStaging } from "../../src/delivery/staging-status.ts";
import { noTemplates } from "../../src/mapping/row-transform.ts";
import { postgresDriver } from "../../src/sinks/postgres/driver.ts";
import { openBucket } from "../../src/sinks/s3/client.ts";
import type { SinkDriver } from "../../src/sinks/sink.ts";
import { SinkFault } from "../../src/sinks/sink-fault.ts";
import { TargetBehind } from "../../src/sinks/staging.ts";
import { attempt, environment, requestOf, rowsOf } from "../sinks/sample.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";
import { createMemoryKeyedLog } from "./memory-keyed-log.ts";

const uid = "staged00000000000001";
const HOUR_MS = 3_600_000;
const schema = create(SchemaSchema, {
  fields: [
    { name: "id", type: Field_Type.LONG },
    { name: "text", type: Field_Type.STRING, nullable: true },
  ],
});

/** Where the lines are kept in the tests that run. */
let objects: StagingObjects | undefined;
const buckets = createBuckets(["staging"]);

async function openObjects() {
  const double = await startAwsDouble({}, buckets.fallback);
  const access = create(AwsAccessSchema, {
    ...{ region: "eu-central-1", accessKeyId: "AKIATEST", secretAccessKey: "secret" },
    endpoint: double.url,
  });
  const client = await openBucket({ bucket: "staging", access }, environment({ schema }));
  objects = {
    put: (name, body) => client.put({ name, body, contentType: "text/csv" }, attempt()),
    get: (name) => client.get(name, attempt()),
    remove: (name) => client.remove(name, attempt()),
  };
  return async () => {
    objects = undefined;
    client.close();
    await double.close();
  };
}

/** A sink that stages, with a target in memory and a clock of its own. */
function createWorld(
  limits: { count?: bigint; size?: bigint; seconds?: bigint; keptBytes?: number } = {},
) {
  let nowMs = 1_800_000_000_000;
  let steadyMs = 1_000_000;
  const now = () => nowMs;
  const steady = () => steadyMs;
  const log = createMemoryKeyedLog(now);
  const { keptBytes } = limits;
  const area = createStagingArea(log, {
    ...(keptBytes && { keptBytes }),
    ...(objects && { objects }),
  });
  const imports: number[] = [];
  const world = {
    fault: undefined as Error | undefined,
    /** Last chunk that the target remembers, where it has a memory. */
    remembered: undefined as number | undefined,
  };
  const config = create(PostgresSinkSchema, {
    table: "t",
    staging: {
      count: limits.count ?? 0n,
      size: limits.size ?? 0n,
      ...(limits.seconds && { time: { seconds: limits.seconds } }),
    },
  });
  const driver: SinkDriver<"postgres"> = {
    ...postgresDriver,
    staging: {
      ...postgresDriver.staging!,
      async import(_, __, { batch }) {
        if (world.fault) throw world.fault;
        const { remembered = 0 } = world;
        if (world.remembered !== undefined && remembered < batch.imported) {
          throw new TargetBehind(remembered, 1_800_000_000_000);
        }
        const fresh = batch.chunks.filter((chunk) => chunk.sequence > remembered);
        imports.push(...fresh.flatMap((chunk) => chunk.places.map((p) => p.sequence)));
        if (world.remembered !== undefined) {
          world.remembered = Math.max(remembered, batch.chunks.at(-1)?.sequence ?? 0);
        }
        return [];
      },
    },
  };
  const logOfSink = { uid: "loguid00000000000001", branch: "main", shard: 0 };
  const definition: SinkDefinition = {
    uid,
    name: "projects/p/streams/s/sinks/k",
    projectUid: "p",
    streamName: "projects/p/streams/s",
    log: logOfSink,
    startSequence: 1,
    isPaused: false,
    restarts: 0,
    versions: [
      {
        version: 1,
        fromSequence: 1,
        sink: create(SinkSchema, { config: { case: "postgres", value: config } }),
      },
    ],
  };
  const parts = {
    area,
    drivers: { postgres: driver },
    environment: environment({ schema }),
    templates: noTemplates,
    now,
    definitions: { streamByLog: () => ({ schema, name: "projects/p/streams/s" }) } as never,
  };
  const controller = new AbortController();
  const host = {
    definition,
    signal: controller.signal,
    importChanged: () => undefined,
    holdRefused: async () => undefined,
  };
  const importer = new StagingImport(host, {
    ...{ ...parts, steady, logger: quietLogger, random: () => 0.5 },
  });
  onTestFinished(() => {
    controller.abort();
    importer.stop();
  });
  const open = (version = 1) => {
    const port = area.ports.open({ uid, logUid: logOfSink.uid, version });
    return postgresDriver.open(config, environment({ schema, sinkUid: uid, staging: port }));
  };
  const statusOf = async () => {
    const facts = await stagingFacts(definition, { area, drivers: parts.drivers, nowMs });
    return withStaging({ counts: { delivered: 10n, pending: 1n } }, facts!);
  };
  return {
    ...{ log, area, imports, world, importer, parts, definition, host, open, statusOf },
    advance: (ms: number) => {
      nowMs += ms;
      steadyMs += ms;
      importer.updated(false);
    },
    /** Sets the clock of the day, and no other. */
    setClock: (byMs: number) => {
      nowMs += byMs;
    },
  };
}

const note = {
  state: Sink_State.RUNNING,
  cause: "",
  reason: "",
  sinceMs: 0,
  nextAttemptMs: 0,
  restarts: 0,
};

describe.each(["JetStream", "a bucket"])("rows staged in %s", (place) => {
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    if (place === "a bucket") close = await openObjects();
  });
  afterAll(() => close?.());

  test("K14: rows are imported when the oldest is as old as `time` says", async () => {
    const { open, importer, imports, advance } = createWorld({ seconds: 30n });
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt());
    advance(29_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(imports).toEqual([]);
    advance(1_000);
    await waitFor(() => imports.length === 1);
  });

  test("K14, K21: a clock that is set back stops no import, nor the next attempt of one that failed", async () => {
    const { open, importer, imports, world, advance, setClock } = createWorld({ seconds: 30n });
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    await sink.write(requestOf(rowsOf([{ id: 1 }], 7)), attempt());
    setClock(-3 * HOUR_MS);
    advance(31_000);
    await waitFor(() => imports.length === 1);
    world.fault = new SinkFault("TABLE_MISMATCH", "the table does not fit");
    await sink.write(requestOf(rowsOf([{ id: 2 }], 8)), attempt());
    advance(31_000);
    await waitFor(() => importer.overlay(note)?.state === Sink_State.ERROR);
    world.fault = undefined;
    setClock(-3 * HOUR_MS);
    // Longer than any wait between two attempts.
    advance(HOUR_MS);
    await waitFor(() => imports.length === 2);
    expect(imports).toEqual([7, 8]);
  });

  test("K21, D3: rows that cannot be imported are announced to expire, expire after 7 days, and are counted", async () => {
    const { open, importer, area, world, advance, statusOf } = createWorld({ count: 2n });
    world.fault = new SinkFault("TABLE_MISMATCH", "the table does not fit");
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    await sink.write(requestOf(rowsOf([{ id: 1 }, { id: 2 }])), attempt());
    await waitFor(() => importer.overlay(note)?.state === Sink_State.ERROR);
    expect(importer.overlay(note)?.cause).toMatch(
      /the import failed: the table does not fit; 2 staged rows wait, the first expire at 2027-01-2/,
    );
    expect(await statusOf()).toMatchObject({
      counts: { delivered: 8n, pending: 3n, expired: 0n },
      staging: { rows: 2n, rowsLimit: 2n, expiredRows: 0n },
    });
    advance(6.5 * 24 * HOUR_MS);
    expect(importer.overlay(note)?.cause).toContain("THE FIRST EXPIRE");
    expect((await area.store.fill(uid)).rows).toBe(2);
    advance(12 * HOUR_MS);
    await waitFor(async () => (await area.store.fill(uid)).rows === 0);
    expect(await statusOf()).toMatchObject({
      counts: { delivered: 8n, pending: 1n, expired: 2n },
      staging: { rows: 0n, expiredRows: 2n },
    });
    await waitFor(() => importer.overlay(note)?.state === Sink_State.RUNNING);
  });

  test("K21: a restart tries a failed import at once, and takes each row once", async () => {
    const { open, importer, world, imports } = createWorld({ count: 1n });
    world.fault = new SinkFault("TABLE_MISMATCH", "the table does not fit");
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    await sink.write(requestOf(rowsOf([{ id: 1 }], 7)), attempt());
    await waitFor(() => importer.overlay(note)?.state === Sink_State.ERROR);
    await sink.write(requestOf(rowsOf([{ id: 2 }], 8)), attempt());
    world.fault = undefined;
    importer.updated(true);
    await waitFor(() => imports.length === 2);
    expect(imports).toEqual([7, 8]);
    await waitFor(() => importer.overlay(note)?.state === Sink_State.RUNNING);
  });

  test("D2: an owner that was overtaken stages nothing, and a repeat of a request stages it once", async () => {
    const { open, area, log } = createWorld();
    const [old, young] = [await open(), await open(2)];
    await old.resume!(0, 1);
    const first = requestOf(rowsOf([{ id: 1 }], 1));
    expect(await old.write(first, attempt())).toMatchObject({ kind: "rows" });
    expect(await old.write(first, attempt())).toMatchObject({ kind: "rows" });
    expect((await area.store.fill(uid)).rows).toBe(1);
    // An answer that never came: stored, and the next attempt finds it.
    const second = requestOf(rowsOf([{ id: 2 }], 2));
    const write = log.writeMany;
    log.writeMany = async (writes) => {
      await write(writes);
      log.writeMany = write;
      throw new Error("no answer");
    };
    const deaf = await old.write(second, attempt()).catch((error: Error) => error.message);
    if (deaf === "rows cannot be staged now") await old.write(second, attempt());
    expect((await area.store.fill(uid)).rows).toBe(2);
    const kept = await young.resume!(0, 2);
    expect(Buffer.from(kept!.cursor).toString()).toBe("cursor of r-2");
    const late = requestOf(rowsOf([{ id: 3 }], 3), { epoch: 1 });
    expect(await old.write(late, attempt())).toEqual({ kind: "fenced" });
    await expect(old.resume!(0, 1)).rejects.toMatchObject({ reason: "FENCED", targetEpoch: 2 });
    expect((await area.store.fill(uid)).rows).toBe(2);
  });

  test("a row that no chunk can hold, or Postgres no value of, is refused alone", async () => {
    const { open, area } = createWorld();
    const sink = await open();
    await sink.resume!(0, 1);
    const rows = rowsOf([
      { id: 1, text: '"'.repeat(500_000) },
      { id: 2, text: "fits" },
      '{"id":3,"text":"nul \\u0000"}',
      '{"id":99999999999999999999}',
    ]);
    const outcome = await sink.write(requestOf(rows), attempt());
    expect(outcome).toMatchObject({
      outcomes: [
        { kind: "reject", reason: "VALUE_REFUSED" },
        { kind: "delivered" },
        { kind: "reject", reason: "VALUE_REFUSED" },
        { kind: "reject", reason: "VALUE_REFUSED" },
      ],
    });
    const [chunk] = await area.store.chunks(uid, { afterSequence: 0, maxBytes: 1e6 });
    expect(Buffer.from(chunk!.csv).toString()).toBe("2,fits\r\n");
    // A crash before they were held: the next owner hears of them again.
    const kept = await (await open()).resume!(0, 2);
    expect(kept?.rejects.map(({ place }) => place.index)).toEqual([2, 3, 0]);
  });

  test("K22: a flush imports all, or says what is left and why", async () => {
    const { open, parts, definition, world, imports } = createWorld();
    const sink = await open();
    await sink.resume!(0, 1);
    await sink.write(requestOf(rowsOf([{ id: 1 }], 4)), attempt());
    world.fault = new SinkFault("TABLE_MISMATCH", "the table does not fit");
    expect(await flushStaged(parts, definition, attempt())).toEqual({
      imported: 0,
      left: 1,
      cause: "the table does not fit",
    });
    world.fault = undefined;
    const done = { imported: 1, left: 0, cause: "" };
    expect(await flushStaged(parts, definition, attempt())).toEqual(done);
    expect(imports).toEqual([4]);
  });

  test("a restored staging takes another name, and remembers until where it was the old one", async () => {
    const { open, area, log, parts, definition } = createWorld();
    const sink = await open();
    await sink.resume!(0, 1);
    const before = (await area.store.state(uid)).value;
    expect(before.identity).not.toBe("");
    await sink.write(requestOf(rowsOf([{ id: 1 }], 4)), attempt());
    const { sequence } = (await area.store.cursor(uid, 0))!;
    await renameStagings(log);
    const after = (await area.store.state(uid)).value;
    expect(after.identity).not.toBe(before.identity);
    expect(after.former).toMatchObject([
      { identity: before.identity, lastSequence: BigInt(sequence) },
    ]);
    expect(await flushStaged(parts, definition, attempt())).toMatchObject({ imported: 1, left: 0 });
  });

  test("B21: rows that a restored target lacks are imported again, each once, also while nothing new comes", async () => {
    const { open, importer, world, imports, advance, area, statusOf } = createWorld({ count: 1n });
    world.remembered = 0;
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    const marks: number[] = [];
    for (const sequence of [1, 2, 3]) {
      await sink.write(requestOf(rowsOf([{ id: sequence }], sequence)), attempt());
      await waitFor(() => imports.length === sequence);
      await waitFor(async () => (await area.store.fill(uid)).rows === 0);
      marks.push(world.remembered);
    }
    // Its owner restores it as it was after the first.
    world.remembered = marks[0];
    await waitFor(() => {
      advance(5 * 60_000);
      return imports.length === 5;
    });
    expect(imports).toEqual([1, 2, 3, 2, 3]);
    await waitFor(async () => (await area.store.fill(uid)).rows === 0);
    expect((await statusOf()).staging).toMatchObject({ rows: 0n, bytes: 0n });
    // Once more, and it is an import that finds out.
    world.remembered = marks[1];
    await sink.write(requestOf(rowsOf([{ id: 4 }], 4)), attempt());
    await waitFor(() => imports.length === 7);
    expect(imports.slice(5)).toEqual([3, 4]);
  });

  test("B21: what a restored target lacks and is not staged any more is an ERROR with its time, until the owner lets it go", async () => {
    const { open, importer, world, imports, area, advance } = createWorld({
      ...{ count: 1n, keptBytes: 1 },
    });
    world.remembered = 0;
    const sink = await open();
    await sink.resume!(0, 1);
    importer.start();
    for (const sequence of [1, 2]) {
      await sink.write(requestOf(rowsOf([{ id: sequence }], sequence)), attempt());
      await waitFor(() => imports.length === sequence);
      await waitFor(async () => (await area.store.fill(uid)).rows === 0);
    }
    await waitFor(async () => (await area.store.state(uid)).value.removedSequence > 0n);
    world.remembered = 0;
    await waitFor(() => {
      advance(5 * 60_000);
      return importer.overlay(note)?.reason === "STAGING_EXPIRED";
    });
    const told = importer.overlay(note);
    expect(told?.state).toBe(Sink_State.ERROR);
    expect(told?.cause).toMatch(/took between 2027-01-15T08:00:00.000Z and .* are not staged/);
    expect(imports).toEqual([1, 2]);
    importer.updated(true);
    await waitFor(() => importer.overlay(note)?.state === Sink_State.RUNNING);
    await sink.write(requestOf(rowsOf([{ id: 3 }], 3)), attempt());
    await waitFor(() => imports.length === 3);
    expect(imports).toEqual([1, 2, 3]);
  });

  test("lines are where they are to be, and go when the sink does; a lost object is told of", async () => {
    const { open, area, parts, definition } = createWorld();
    const stored = buckets.bucket("staging").objects;
    stored.clear();
    const sink = await open();
    await sink.resume!(0, 1);
    await sink.write(requestOf(rowsOf([{ id: 1, text: "a" }], 1)), attempt());
    await sink.write(requestOf(rowsOf([{ id: 2, text: "b" }], 2)), attempt());
    expect([...stored.values()].map(String)).toEqual(objects ? ["1,a\r\n", "2,b\r\n"] : []);
    expect((await area.store.fill(uid)).bytes).toBe(10);
    if (objects) {
      const [[name, bytes] = ["", Buffer.of()]] = stored;
      stored.delete(name);
      const lost = await flushStaged(parts, definition, attempt());
      expect(lost).toMatchObject({ imported: 0, left: 2, cause: expect.stringContaining(name) });
      stored.set(name, bytes);
    }
    expect(await flushStaged(parts, definition, attempt())).toMatchObject({ imported: 2, left: 0 });
    await area.store.removeAll(uid);
    expect(stored.size).toBe(0);
  });
});
