import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { compatibilityPartitioner } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KafkaSink_Compression, KafkaSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { kafkaDriver } from "../../../src/sinks/kafka/driver.ts";
import type { SinkRow } from "../../../src/sinks/sink.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { hasJava, startKafka, type TestKafka } from "../../support/kafka.ts";
import { readTopic } from "../../support/kafka-topic.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([{ name: "id", type: T.LONG }]);
const keyOf = (row: SinkRow) =>
  (JSON.parse(Buffer.from(row.json).toString()) as { key?: string }).key;
const env = environment({ schema, keyOf });
let folder: string;
let kafka: TestKafka;
let authority: string;

// With a JDK and Maven it fails, and is not left out, when Kafka cannot be had.
describe.skipIf(!(await hasJava()))("a real Kafka", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tributary-kafka-tls-"));
    const certificate = await makeCertificate(folder);
    authority = certificate.authority;
    const writers = { writer: "s3cret" };
    const { keyStore } = certificate;
    kafka = await startKafka({ keyStore, writers, strangers: { stranger: "s3cret" } });
  }, 600_000);
  afterAll(async () => {
    await kafka?.close();
    await rm(folder, { recursive: true, force: true });
  });

  type Changes = MessageInitShape<typeof KafkaSinkSchema>;
  const configOf = (changes: Changes) =>
    create(KafkaSinkSchema, {
      brokers: [kafka.address],
      topic: "orders",
      createTopic: { partitions: 3 },
      ...changes,
    } as Changes);
  const run = (changes: Changes, prepare = true) =>
    kafkaDriver.test(configOf(changes), env, { prepare, signal: attempt(25_000) });
  const secure = (changes: Changes) =>
    run({ brokers: [kafka.secureAddress], tls: true, certificateAuthority: authority, ...changes });

  test("a message has key, value, headers and time of its record, and Kafka's own partition", async () => {
    expect((await run({})).filter(({ isOk }) => !isOk)).toEqual([]);
    const rows = rowsOf(Array.from({ length: 40 }, (_, id) => ({ id, key: `k${id % 9}` }))).map(
      (row, i) => ({
        ...row,
        producerId: i === 0 ? "p-1" : "",
        headers: [
          { name: "x-trace", value: `t${i}` },
          { name: "tributary-record-id", value: "forged" },
        ],
      }),
    );
    const sink = await kafkaDriver.open(configOf({}), env);
    expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
    await sink.close();
    const found = await readTopic(kafka.address, "orders");
    expect(found).toHaveLength(40);
    for (const { key = "", partition, value, headers, timestampMs } of found) {
      const { id } = JSON.parse(value) as { id: number };
      const row = rows[id]!;
      expect(value).toBe(Buffer.from(row.json).toString());
      expect(partition).toBe(compatibilityPartitioner({ topic: "" }, Buffer.from(key)) % 3);
      expect(headers).toMatchObject({
        "tributary-record-id": row.recordId,
        "x-trace": `t${id}`,
        ...(id === 0 && { "tributary-producer-id": "p-1" }),
      });
      expect(timestampMs).toBe(Math.floor(row.arrivalTimeUs / 1000));
    }
  });

  test.each([KafkaSink_Compression.GZIP, KafkaSink_Compression.ZSTD])(
    "compressed batches are read back (compression %s)",
    async (compression) => {
      const topic = `compressed-${compression}`;
      await run({ topic, createTopic: { partitions: 1 } });
      const sink = await kafkaDriver.open(configOf({ topic, compression }), env);
      const rows = rowsOf(Array.from({ length: 500 }, (_, id) => ({ id })));
      expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
      await sink.close();
      const found = await readTopic(kafka.address, topic);
      expect(found.map(({ value }) => JSON.parse(value).id)).toEqual([...rows.keys()]);
      expect(found[0]?.key).toBeUndefined();
    },
  );

  test("more than a broker takes at once is sent in parts, in order, and only what is too large alone is held", async () => {
    await run({ topic: "large", createTopic: { partitions: 1 } });
    const text = "x".repeat(150_000);
    const rows = rowsOf(
      Array.from({ length: 14 }, (_, id) => ({
        id,
        key: "k",
        text: id === 6 ? text.repeat(8) : text,
      })),
    );
    const sink = await kafkaDriver.open(configOf({ topic: "large" }), env);
    const outcome = await sink.write(requestOf(rows), attempt(20_000));
    await sink.close();
    const kinds = outcome.kind === "rows" ? outcome.outcomes.map(({ kind }) => kind) : [];
    expect(kinds.map((kind) => kind === "reject")).toEqual([...rows.keys()].map((id) => id === 6));
    const ids = (await readTopic(kafka.address, "large")).map(({ value }) => JSON.parse(value).id);
    expect(ids).toEqual([...rows.keys()].filter((id) => id !== 6));
  });

  test("N11: a missing topic is told with the command that makes it, and is made only when that was asked for", async () => {
    const missing = await run({ topic: "missing", createTopic: undefined });
    expect(missing.at(-1)).toMatchObject({ name: "describe", isOk: false });
    expect(missing.at(-1)?.remedy).toContain("--create --topic missing");
    expect((await run({ topic: "later" }, false)).every(({ isOk }) => isOk)).toBe(true);
    const sink = await kafkaDriver.open(configOf({ topic: "later" }), env);
    expect(await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt())).toMatchObject({
      kind: "retry",
      scope: "sink",
      reason: "DESTINATION_MISSING",
    });
    await sink.close();
  });

  test("N11: logins by PLAIN and SCRAM over TLS; wrong passwords, missing rights and unknown authorities are told apart", async () => {
    const lastOf = async (changes: Changes) => {
      const stages = await secure(changes);
      expect(JSON.stringify(stages)).not.toContain("s3cret");
      return `${stages.at(-1)?.name} ${stages.at(-1)?.message}`;
    };
    const login = { mechanism: 1, user: "writer", password: "s3cret" };
    expect(await lastOf({ login })).toMatch(/^write the topic may be written/);
    const scram = { ...login, mechanism: 2 };
    expect(await lastOf({ login: scram })).toMatch(/^write the topic may be written/);
    for (const wrong of [login, scram]) {
      expect(await lastOf({ login: { ...wrong, password: "s3cret2" } })).toMatch(
        /^connect AUTHENTICATION_FAILED/,
      );
    }
    expect(await lastOf({ login, certificateAuthority: "" })).toMatch(/^connect TLS_FAILED/);
    const stranger = await secure({ login: { ...login, user: "stranger" } });
    expect(stranger.at(-1)).toMatchObject({ isOk: false });
    expect(stranger.at(-1)?.message).toMatch(/^ACCESS_DENIED/);
  });

  test("a broker that is killed while it is written to: every record arrives, each key in order", async () => {
    await run({ topic: "killed" });
    const sink = await kafkaDriver.open(configOf({ topic: "killed" }), env);
    const requests = Array.from({ length: 40 }, (_, n) =>
      requestOf(
        rowsOf(
          Array.from({ length: 100 }, (_, i) => ({ id: n * 100 + i, key: `k${i % 7}` })),
          n + 1,
        ),
        { id: `r-${n}`, partition: n % 2 },
      ),
    );
    let done = 0;
    const killing = (async () => {
      while (done < 10) await new Promise((resolve) => setTimeout(resolve, 5));
      await kafka.restartBroker();
    })();
    for (const request of requests) {
      for (;;) {
        const outcome = await sink.write(request, attempt(10_000));
        if (outcome.kind === "rows") break;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      done += 1;
    }
    await killing;
    await sink.close();
    const found = await readTopic(kafka.address, "killed");
    const seen = new Map<string, Set<number>>();
    for (const { key = "", value } of found) {
      const own = seen.get(key) ?? new Set();
      own.add(JSON.parse(value).id as number);
      seen.set(key, own);
    }
    const firsts = [...seen.values()].map((ids) => [...ids]);
    for (const ids of firsts) expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(firsts.flat()).toHaveLength(4_000);
  }, 120_000);
});
