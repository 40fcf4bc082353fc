import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Sink_State, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { CallBlockSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import type { SinkDefinition, StreamDefinition } from "../../src/core/definitions.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { decodeRows } from "../../src/delivery/lane-row.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { waitFor } from "../support/wait-for.ts";
import { openRealWorld, type RealWorld } from "./real-engine.ts";
import { ledger, log, sink, TestDefinitions } from "./test-engine.ts";

const logUid = "l".repeat(20);
const uidOf = (letter: string) => letter.repeat(20);
let world: RealWorld;
let receiver: Server;
let databaseUrl: string;
let folder: string;
let isReceiverDown = false;
const received: { id: string; rows: { n: number; sensor_id: string }[] }[] = [];

class SensorDefinitions extends TestDefinitions {
  override streamByLog(uid: string): StreamDefinition {
    const fields = [
      { name: "sensor_id", type: Field_Type.STRING },
      { name: "n", type: Field_Type.LONG },
    ];
    return { ...super.streamByLog(uid), partitions: 4, schema: create(SchemaSchema, { fields }) };
  }
}
const definitions = new SensorDefinitions();

beforeAll(async () => {
  world = await openRealWorld(2);
  databaseUrl = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), "tributary-file-sink-"));
  receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      if (isReceiverDown) return response.writeHead(500).end();
      received.push({ id: String(request.headers["webhook-id"]), rows: JSON.parse(body) });
      return response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  await world?.close();
  receiver?.close();
});

const makeEngine = (): Delivery => world.engine({ definitions, fileSinkDir: folder });

function definition(
  letter: string,
  config: MessageInitShape<typeof SinkSchema>["config"] & object,
) {
  const message = create(SinkSchema, {
    config,
    batching: { count: 50 },
    retry: { schedule: [{ nanos: 100_000_000 }] },
  });
  return sink({
    uid: uidOf(letter),
    log: log(logUid),
    versions: [{ version: 1, fromSequence: 0, sink: message }],
  });
}

let next = 0;
/** Appends `count` records, ten to a call, each key in its partition. */
async function push(count: number): Promise<void> {
  const calls: Promise<unknown>[] = [];
  for (const end = next + count; next < end; ) {
    const partition = (next / 10) % 4;
    const records = Array.from({ length: 10 }, (_, i) => ({
      sensor_id: `s${partition}`,
      n: next + i,
    }));
    next += 10;
    const block = toBinary(
      CallBlockSchema,
      create(CallBlockSchema, {
        arrivalTimeUs: BigInt(Date.now()) * 1000n,
        source: "push",
        schemaVersion: 1n,
        count: records.length,
        records: records.map((record) => Buffer.from(JSON.stringify(record))),
        keyHashes: records.map(() => partition + 1),
      }),
    );
    calls.push(
      world.bus.writer.append({
        shard: 0,
        logUid,
        generation: 1,
        projectUid: "p",
        parts: [{ partition, block, count: records.length }],
      }),
    );
  }
  await Promise.all(calls);
}

/** The numbers of each sensor, in the order of the rows. */
function bySensor(rows: readonly { n: number; sensor_id: string }[]): Record<string, number[]> {
  const numbers: Record<string, number[]> = {};
  for (const { n, sensor_id } of rows) {
    numbers[sensor_id] ??= [];
    numbers[sensor_id].push(n);
  }
  return numbers;
}

async function readLog(): Promise<{ n: number; sensor_id: string }[]> {
  const rows: { n: number; sensor_id: string }[] = [];
  for (let fromSequence = 1; ; ) {
    const messages = await world.bus.reader.read(
      { shard: 0, uid: logUid },
      { fromSequence, maxMessages: 1_000, maxBytes: 1_000_000 },
    );
    if (messages.length === 0) return rows;
    for (const message of messages) {
      for (const row of decodeRows(message))
        rows.push(JSON.parse(Buffer.from(row.json).toString()));
    }
    fromSequence = messages.at(-1)!.sequence + 1;
  }
}

test("N04, N07: one log to Postgres, a webhook and files, over a restart and an outage", async () => {
  const port = (receiver.address() as AddressInfo).port;
  const toTable = definition("t", {
    case: "postgres",
    value: { databaseUrl, table: "sensors" },
  });
  const toWebhook = definition("w", {
    case: "webhook",
    value: { url: `http://127.0.0.1:${port}/hook`, signingSecret: `whsec_${"A".repeat(32)}` },
  });
  const toFile = definition("f", { case: "file", value: { directory: "sensors" } });
  const all: SinkDefinition[] = [toTable, toWebhook, toFile];
  definitions.set(...all);
  const settled = async (engine: Delivery, each: SinkDefinition) =>
    (await ledger(engine, each)).counts.delivered === next;
  await push(400);
  const first = makeEngine();
  await first.start();
  await waitFor(() => first.isOwner(0));
  await push(600);
  for (const each of all) await waitFor(() => settled(first, each));
  await first.close();
  await push(500);
  const second = makeEngine();
  await second.start();
  isReceiverDown = true;
  await push(500);
  await waitFor(() => settled(second, toTable), { timeoutMs: 25_000 });
  await waitFor(async () => (await ledger(second, toWebhook)).status.state === Sink_State.ERROR);
  isReceiverDown = false;
  for (const each of all) await waitFor(() => settled(second, each), { timeoutMs: 25_000 });
  for (const each of all) {
    expect((await ledger(second, each)).counts).toMatchObject({
      pushed: next,
      pending: 0,
      expired: 0,
      held: 0,
    });
  }
  const logged = await readLog();
  const stored = bySensor(logged);
  const sql = postgres(databaseUrl, { max: 1 });
  const rows = await sql<{ n: string; sensor_id: string; xmin: string }[]>`
    select n, sensor_id, xmin::text from sensors order by xmin::text::bigint`;
  await sql.end();
  expect(rows.length).toBe(next);
  // Rows of one transaction have no order in a table; transactions do.
  const order = new Map(logged.map((row, i) => [row.n, i]));
  const inTransactions = rows
    .map((row) => ({ ...row, n: Number(row.n) }))
    .sort((a, b) => Number(a.xmin) - Number(b.xmin) || order.get(a.n)! - order.get(b.n)!);
  expect(bySensor(inTransactions)).toEqual(stored);
  const requests = [...new Map(received.map((r) => [r.id, r])).values()];
  const hooked = requests.flatMap((r) => r.rows);
  expect(bySensor(hooked)).toEqual(stored);
  const files = await readdir(join(folder, "sensors"));
  const lines = await Promise.all(
    files
      .filter((f) => !f.startsWith("."))
      .map((f) => readFile(join(folder, "sensors", f), "utf8")),
  );
  expect(lines.join("").trim().split("\n").length).toBe(next);
}, 90_000);
