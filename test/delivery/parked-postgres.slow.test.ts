import { create, toBinary } from "@bufbuild/protobuf";
import postgres, { type Sql } from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Sink_RecordFailure, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { CallBlockSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import type { StreamDefinition } from "../../src/core/definitions.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { report } from "../support/faults/outage.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { waitFor } from "../support/wait-for.ts";
import { openRealWorld, type RealWorld } from "./real-engine.ts";
import { ledger, log, sink, TestDefinitions } from "./test-engine.ts";

/** Set PARKED_KEYS=100000 for the bound, which takes two minutes; it is tested with a target in memory too. */
const COUNT = Number(process.env.PARKED_KEYS ?? 12_000);
const FREE = 20_000;
const CALL = 500;
const PARTITIONS = 4;
const PATIENT = { timeoutMs: 300_000, everyMs: 100 };
const logUid = "k".repeat(20);
const uid = "p".repeat(20);

class KeyDefinitions extends TestDefinitions {
  override streamByLog(logOf: string): StreamDefinition {
    const fields = [
      { name: "key", type: Field_Type.LONG },
      { name: "n", type: Field_Type.LONG },
    ];
    const schema = create(SchemaSchema, { fields });
    return { ...super.streamByLog(logOf), partitions: PARTITIONS, schema };
  }
}

const path = (name: string) => ({ name, value: { case: "path", value: { path: name } } }) as const;

let world: RealWorld;
let sql: Sql;
const definitions = new KeyDefinitions();
let pushed = 0;

beforeAll(async () => {
  world = await openRealWorld(1);
});
afterAll(async () => {
  await world?.close();
  await sql?.end();
});

function startEngine(): Delivery {
  const engine = world.engine({ definitions });
  void engine.start();
  return engine;
}

/** Appends a record for each of so many keys, each key in its partition. */
async function push(from: number, count: number, n: number | undefined): Promise<void> {
  for (let at = from; at < from + count; at += CALL) {
    const keys = Array.from({ length: CALL }, (_, i) => at + i);
    const block = toBinary(
      CallBlockSchema,
      create(CallBlockSchema, {
        arrivalTimeUs: BigInt(Date.now()) * 1000n,
        source: "push",
        schemaVersion: 1n,
        count: CALL,
        records: keys.map((key) => Buffer.from(JSON.stringify({ key, n }))),
        keyHashes: keys.map((key) => key + 1),
      }),
    );
    const partition = (at / CALL) % PARTITIONS;
    const part = { partition, block, count: CALL };
    await world.bus.writer.append({
      ...{ shard: 0, logUid, generation: 1, projectUid: "p", parts: [part] },
    });
  }
  pushed += count;
}

test(`N05, B21: ${COUNT} keys wait beside the cursor in Postgres; another owner, a restored target and a skip find them`, async () => {
  const databaseUrl = await createTestDatabase();
  sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  const message = create(SinkSchema, {
    config: { case: "postgres", value: { databaseUrl, table: "parked" } },
    batching: { count: 1_000 },
    mapping: { columns: ["key", "n"].map(path) },
    onRecordFailure: Sink_RecordFailure.BLOCK_KEY,
    retry: { schedule: [{ nanos: 100_000_000 }] },
  });
  const versions = [{ version: 1, fromSequence: 0, sink: message }];
  const a = sink({ uid, log: log(logUid), versions });
  definitions.set(a);
  let engine = startEngine();
  const settled = (held: number, pending: number) =>
    waitFor(async () => {
      const { counts } = await ledger(engine, a);
      return counts.pushed === pushed && counts.held === held && counts.pending === pending;
    }, PATIENT);
  const rowsOf = async (n: number) => {
    const [row] = await sql`SELECT count(*)::int AS rows, count(DISTINCT key)::int AS keys
      FROM parked WHERE n = ${n}`;
    return row;
  };
  // Without `n` a record cannot be mapped, and its key waits.
  await push(0, COUNT, undefined);
  await settled(COUNT, 0);
  await push(0, COUNT, 1);
  const beginMs = performance.now();
  await push(1_000_000, FREE, 2);
  await settled(COUNT, COUNT);
  const freeMs = performance.now() - beginMs;
  const [size] = await sql`SELECT max(octet_length(cursor))::int AS bytes
    FROM tributary.sink_cursors WHERE sink_uid = ${uid}`;
  // What every request writes beside its rows.
  expect(size!.bytes).toBeLessThan(24 * 1_024);
  expect(await rowsOf(2)).toEqual({ rows: FREE, keys: FREE });

  await engine.close();
  await sql`CREATE SCHEMA backup`;
  await sql`CREATE TABLE backup.parked AS TABLE parked`;
  await sql`CREATE TABLE backup.sink_cursors AS TABLE tributary.sink_cursors`;
  engine = startEngine();
  await push(2_000_000, FREE, 3);
  await settled(COUNT, COUNT);
  expect(await engine.parkedKeys(a)).toHaveLength(COUNT);
  await engine.close();

  await sql.begin(async (tx) => {
    await tx`TRUNCATE parked, tributary.sink_cursors`;
    await tx`INSERT INTO parked SELECT * FROM backup.parked`;
    await tx`INSERT INTO tributary.sink_cursors SELECT * FROM backup.sink_cursors`;
  });
  engine = startEngine();
  await push(3_000_000, CALL, 4);
  await settled(COUNT, COUNT);
  expect(await rowsOf(3)).toEqual({ rows: FREE, keys: FREE });
  expect(await engine.parkedKeys(a)).toHaveLength(COUNT);

  await engine.held.discard(a, []);
  await settled(0, 0);
  expect(await rowsOf(1)).toEqual({ rows: COUNT, keys: COUNT });
  expect((await ledger(engine, a)).counts).toMatchObject({ discarded: COUNT, expired: 0 });
  report("parked keys in Postgres", {
    keys: COUNT,
    cursorBytes: size!.bytes,
    othersPerSecond: FREE / (freeMs / 1000),
  });
}, 900_000);
