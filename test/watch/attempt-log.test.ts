import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Attempt_State as State } from "#gen/tributary/management/v1/attempt_pb.js";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { maskConfig } from "../../src/catalog/sink-kind.ts";
import type { AttemptNote } from "../../src/core/attempt.ts";
import type { SinkDefinition } from "../../src/core/definitions.ts";
import type { Exchange } from "../../src/core/exchange.ts";
import type { Database } from "../../src/db/client.ts";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { type AttemptLogOptions, openAttemptLog } from "../../src/watch/attempt-log.ts";
import {
  attemptFromRow,
  countDrops,
  listAttemptRows,
  type NewAttempt,
  trimSinks,
} from "../../src/watch/attempt-store.ts";
import { createAttemptTrim } from "../../src/watch/attempt-trim.ts";
import { maskExchange, secretsOf } from "../../src/watch/mask-exchange.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { quietLogger } from "../support/quiet-logger.ts";

const mask = (config: Sink["config"]) => maskConfig(sinkDrivers, config);
const limits = { ageMs: 86_400_000, rows: 1_000, bytes: 1_000_000 };
const exchange: Exchange = {
  method: "POST",
  url: "https://example.com/hook?token=abc123&x=1",
  requestHeaders: { Authorization: "Bearer t", "X-Team": "top-secret", "content-type": "a/b" },
  requestBody: Buffer.from("x".repeat(20_000)),
  answer: { status: 500, headers: { "set-cookie": ["a=b"] }, body: Buffer.from("top-secret!") },
};

async function useSink(): Promise<{ sink: SinkDefinition; database: Database }> {
  const { catalog, snapshot, as, database } = await useTestCatalog();
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "secret" });
  const { projects, streams, sinks } = as("ops");
  await projects.createProject({ projectId: "p", project: {} });
  const schema = { fields: [{ name: "n", type: Field_Type.LONG }] };
  await streams.createStream({ parent: "projects/p", streamId: "s", stream: { schema } });
  const { sink } = await sinks.createSink({
    parent: "projects/p/streams/s",
    sinkId: "k",
    sink: { config: { case: "file", value: { directory: "out" } } },
  });
  return { sink: snapshot.sink(sink!.name)!, database };
}

function noteOf(sink: SinkDefinition, more: Partial<AttemptNote> = {}): AttemptNote {
  return {
    ...{ sink, version: 1, requestId: "r", number: 1, partition: 0, startMs: Date.now() },
    ...{ durationMs: 1.5, state: State.DELIVERED, reason: "", why: "", records: 1, filtered: 0 },
    ranges: [{ from: { sequence: 1, index: 0 }, to: { sequence: 1, index: 0 } }],
    ...{ held: 0, isReplay: false, isFlush: false, exchanges: [exchange] },
    ...more,
  };
}

function openLog(database: Database, more: Partial<AttemptLogOptions> = {}) {
  return openAttemptLog({ database, logger: quietLogger, limits, mask, flushMs: 60_000, ...more });
}

let sink: SinkDefinition;
let database: Database;
const read = () =>
  database.inProject(sink.name, async (queries) => {
    const filter = { states: [], requestId: "" };
    const rows = await listAttemptRows(queries, sink.uid, { filter, below: 2 ** 52, limit: 5_000 });
    const dropped = await countDrops(queries, sink.uid);
    return { attempts: rows.map((row) => attemptFromRow(sink.name, row)), dropped };
  });

test("B03: what does not fit into the queue is dropped at once and counted; successes are sampled, failures are kept in full, and bounds drop the oldest of each", async () => {
  ({ sink, database } = await useSink());
  let nowMs = Date.now();
  const log = openLog(database, { queueMax: 100, now: () => nowMs });
  for (let i = 0; i < 150; i++) log.note(noteOf(sink));
  await log.flush();
  const first = await read();
  expect(first.attempts).toHaveLength(100);
  expect(first.dropped).toBe(50);
  expect(first.attempts.filter(({ exchanges }) => exchanges.length > 0)).toHaveLength(1);
  expect(first.attempts[0]!.duration).toMatchObject({ seconds: 0n, nanos: 1_500_000 });

  nowMs += 1_000;
  const failed = { state: State.RETRYING, reason: "HTTP_500", why: "it answered 500" };
  for (let i = 0; i < 20; i++) log.note(noteOf(sink, { ...failed, number: i + 1 }));
  await log.flush();
  const failures = (await read()).attempts.filter(({ state }) => state === State.RETRYING);
  expect(failures.every(({ exchanges }) => exchanges.length === 1)).toBe(true);
  expect(failures[0]).toMatchObject({ number: 20, statusCode: 500 });

  await trimSinks(database, [sink.uid], { ...limits, rows: 10 });
  const kept = (await read()).attempts;
  expect(kept).toHaveLength(20);
  expect(kept.filter(({ state }) => state === State.RETRYING).map(({ number }) => number)).toEqual([
    20, 19, 18, 17, 16, 15, 14, 13, 12, 11,
  ]);
  await trimSinks(database, [sink.uid], { ...limits, bytes: 40_000 });
  expect((await read()).attempts.length).toBeLessThan(14);
  await log.close();

  // After its first trim a sink is looked at again when it gained a part of its bounds, not before.
  const statements: unknown[] = [];
  const counted: Database = {
    ...database,
    acrossProjects: (work) => {
      statements.push(work);
      return database.acrossProjects(work);
    },
  };
  const trim = createAttemptTrim(counted, { ...limits, rows: 100 });
  const rows = (count: number) =>
    Array.from({ length: count }, () => ({ sinkUid: sink.uid, size: 1 }) as NewAttempt);
  const runs = [];
  for (const count of [1, 1, 1]) {
    trim.wrote(rows(count));
    await trim.run(nowMs);
    runs.push(statements.splice(0).length);
  }
  expect(runs).toEqual([2, 1, 2]);

  const away = { ...database, acrossProjects: () => Promise.reject(new Error("away")) };
  const blind = openLog(away);
  blind.note(noteOf(sink));
  await blind.flush();
  await blind.close();
});

test("B03: secrets of headers, addresses, configurations and answers are masked, and bodies are cut", () => {
  const value = { url: "https://robot:pass@example.com", headers: { "x-team": "top-secret" } };
  const { config } = create(SinkSchema, { config: { case: "webhook", value } });
  const secrets = secretsOf(config, mask(config));
  expect(secrets).toContain("top-secret");
  expect(secrets).toContain("pass");
  const masked = maskExchange(exchange, secrets);
  expect(masked.url).toBe("https://example.com/hook?token=***&x=1");
  expect(masked.requestHeaders).toMatchObject([
    { name: "authorization", value: "***" },
    { name: "x-team", value: "***" },
    { name: "content-type", value: "a/b" },
  ]);
  expect(masked.responseHeaders).toMatchObject([{ name: "set-cookie", value: "***" }]);
  expect(Buffer.from(masked.responseBody).toString()).toBe("***!");
  expect(masked.requestBody).toHaveLength(16 * 1024);
  expect(masked.requestBodySize).toBe(20_000n);
});
