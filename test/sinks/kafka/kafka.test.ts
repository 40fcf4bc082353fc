import { create } from "@bufbuild/protobuf";
import { compatibilityPartitioner } from "@platformatic/kafka";
import fc from "fast-check";
import { expect, test } from "vitest";
import { KafkaSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { parseBroker } from "../../../src/sinks/kafka/broker-address.ts";
import { kafkaDriver } from "../../../src/sinks/kafka/driver.ts";
import { messageOf, takeChunk } from "../../../src/sinks/kafka/messages.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([{ name: "id", type: T.LONG }]);

test("property: a key's partition is that of Kafka's default partitioner, for any number of partitions", () => {
  const [row] = rowsOf([{ id: 1 }]);
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 10_000 }), (key, partitions) => {
      const maker = { topic: "t", keyOf: () => key, keylessPartition: 0 };
      const { partition = 0 } = messageOf(row!, 0, maker).message;
      const theirs = compatibilityPartitioner({ topic: "t" }, Buffer.from(key));
      expect(partition % partitions).toBe(theirs % partitions);
    }),
  );
});

test("property: chunks keep the order, lose nothing, and stay within the limit unless one message is above it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 })), (sizes) => {
      const message = { topic: "t" };
      let rest = sizes.map((bytes, index) => ({ index, bytes, message }));
      const seen: number[] = [];
      while (rest.length > 0) {
        const chunk = takeChunk(rest, 60);
        const sum = chunk.reduce((total, { bytes }) => total + bytes, 0);
        expect(chunk.length === 1 || (chunk.length > 1 && sum <= 60)).toBe(true);
        seen.push(...chunk.map(({ index }) => index));
        rest = rest.slice(chunk.length);
      }
      expect(seen).toEqual([...sizes.keys()]);
    }),
  );
});

test("brokers are parsed as Kafka's clients write them", () => {
  expect(parseBroker("h")).toEqual({ host: "h", port: 9092 });
  expect(parseBroker("[::1]:19092")).toEqual({ host: "::1", port: 19092 });
  expect(parseBroker("h:80")).toEqual({ host: "h", port: 80 });
  for (const text of ["", "http://h:1", "u:p@h:1", "h:1/x", "h:99999", "a b"]) {
    expect(parseBroker(text)).toBeTypeOf("string");
  }
});

test("check 27: brokers inside are refused however they are written, before anything is sent", async () => {
  const env = environment({ schema, isLoopbackAllowed: false });
  for (const host of [
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
  ]) {
    for (const tls of [false, true]) {
      const config = create(KafkaSinkSchema, { brokers: [`${host}:9`], topic: "t", tls });
      const stages = await kafkaDriver.test(config, env, { prepare: false, signal: attempt() });
      expect(stages.at(-1)?.message).toMatch(/^ADDRESS_REFUSED/);
      const sink = await kafkaDriver.open(config, env);
      const outcome = await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt());
      expect(outcome).toMatchObject({ kind: "retry", scope: "sink", reason: "ADDRESS_REFUSED" });
      await sink.close();
    }
  }
});

test("a saved password goes to the same brokers and user only, and never from TLS into the clear", () => {
  const configOf = (changes: object) =>
    create(KafkaSinkSchema, {
      brokers: ["h:1"],
      topic: "t",
      tls: true,
      login: { user: "u", password: "p" },
      ...changes,
    });
  const saved = configOf({});
  const kept = (changes: object) =>
    kafkaDriver.keepSecrets(kafkaDriver.mask(configOf(changes)), saved).login?.password;
  expect(kept({})).toBe("p");
  expect(kept({ topic: "other" })).toBe("p");
  expect(kept({ brokers: ["evil.example:1"] })).toBe("");
  expect(kept({ login: { user: "v", password: "" } })).toBe("");
  expect(kept({ tls: false })).toBe("");
});
