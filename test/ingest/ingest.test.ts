import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { murmur2, partitionOf } from "../../src/core/partition.ts";
import { placeOfRecordId } from "../../src/core/record-id.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { readRestRecords } from "../../src/ingest/push-body.ts";
import type { PushCall } from "../../src/ingest/push-call.ts";
import { field, memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const CALLER = { id: "client", authentication: "oauth2", address: "127.0.0.1", traceContext: "" };
const FIELDS = [field("k", Field_Type.STRING), field("n", Field_Type.LONG)];
const keyed = streamOf({ fields: FIELDS, keyFields: ["k"], partitions: 4 });

async function callOf(rows: unknown[], more: Partial<PushCall> = {}): Promise<PushCall> {
  const text = JSON.stringify(rows.map((value) => ({ value })));
  return {
    stream: keyed.name,
    branch: "",
    records: await readRestRecords(Buffer.from(text), keyed),
    idempotencyKey: "",
    returnRecordIds: false,
    caller: CALLER,
    ...more,
  };
}

describe("ingest", () => {
  test("F07: records of one key lie in one partition, in push order, over many calls", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.constantFrom("a", "b", "c", "d", "e", "f"), { minLength: 1, maxLength: 30 }),
          { maxLength: 6 },
        ),
        async (pushes) => {
          const log = memoryLog();
          const ingest = createIngest({ ...memoryDefinitions(keyed), log: log.writer });
          let n = 0;
          for (const keys of pushes)
            await ingest.push(await callOf(keys.map((k) => ({ k, n: n++ }))));
          let stored = 0;
          for (let partition = 0; partition < 4; partition++) {
            const rows = log
              .records(partition)
              .map((r) => JSON.parse(r) as { k: string; n: number });
            stored += rows.length;
            const last = new Map<string, number>();
            for (const { k, n: place } of rows) {
              expect(partitionOf(murmur2(Buffer.from(k)), 4)).toBe(partition);
              expect(place).toBeGreaterThan(last.get(k) ?? -1);
              last.set(k, place);
            }
          }
          expect(stored).toBe(n);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("calls to a stream without keys take the partitions in turn, each call whole", async () => {
    const plain = streamOf({ fields: FIELDS, partitions: 4 });
    const log = memoryLog();
    const ingest = createIngest({ ...memoryDefinitions(plain), log: log.writer });
    for (let i = 0; i < 8; i++)
      await ingest.push(
        await callOf([
          { k: "a", n: i },
          { k: "b", n: i },
        ]),
      );
    expect(log.messages.map((m) => m.call.records.length)).toEqual(Array(8).fill(2));
    expect(new Set(log.messages.slice(0, 4).map((m) => m.partition)).size).toBe(4);
  });

  test("record ids lead back to their places, also for a duplicate", async () => {
    const log = memoryLog();
    const ingest = createIngest({
      ...memoryDefinitions(keyed),
      log: log.writer,
      reader: log.reader,
    });
    const rows = Array.from({ length: 20 }, (_, n) => ({ k: `k${n}`, n }));
    const call = await callOf(rows, { returnRecordIds: true, idempotencyKey: "once" });
    const first = await ingest.push(call);
    expect(first).toMatchObject({ accepted: 20n, duplicate: false });
    first.recordIds.forEach((id, i) => {
      const place = placeOfRecordId("k3v9q2x7m1p8s4t6w0za", id)!;
      const stored = log.messages[place.sequence - 1]!.call.records[place.index]!;
      expect(JSON.parse(Buffer.from(stored).toString())).toEqual(rows[i]);
      if (i === 0) expect(first.firstPlace).toBe(`${place.sequence}-${place.index}`);
    });
    const again = await ingest.push(call);
    expect(again).toEqual({ ...first, duplicate: true });
  });

  test("B13: a key is of one caller, branch and body, however the body was sent", async () => {
    const log = memoryLog();
    const ingest = createIngest({ ...memoryDefinitions(keyed), log: log.writer });
    const call = await callOf([{ k: "a", n: 1 }], { idempotencyKey: "key" });
    await ingest.push(call);
    const spaced = await readRestRecords(Buffer.from(' { "value" : {"k":"a","n":1} }'), keyed);
    expect((await ingest.push({ ...call, records: spaced })).duplicate).toBe(true);
    const other = await callOf([{ k: "a", n: 2 }], { idempotencyKey: "key" });
    await expect(ingest.push(other)).rejects.toSatisfy(
      (e) => reasonOf(e) === "IDEMPOTENCY_KEY_REUSED",
    );
    const foreign = { ...other, caller: { ...CALLER, id: "another" } };
    expect((await ingest.push(foreign)).duplicate).toBe(false);
  });

  test("a sealed generation is retried once with the new definition, records checked again", async () => {
    let sealed = 0;
    const log = memoryLog({ sealed: () => sealed });
    const { definitions, replace } = memoryDefinitions(keyed);
    const ingest = createIngest({ definitions, log: log.writer });
    const call = await callOf([{ k: "a", n: 1 }]);
    sealed = 2;
    const pushed = ingest.push(call);
    const next = streamOf({
      fields: FIELDS,
      keyFields: ["k"],
      partitions: 16,
      generation: 2,
      schemaVersion: 2,
    });
    setImmediate(() => replace(next));
    expect((await pushed).accepted).toBe(1n);
    expect(log.calls.map((c) => c.generation)).toEqual([1, 2]);
    expect(log.messages[0]?.call.schemaVersion).toBe(2);
  });

  test("calls started one behind the other stay in order, though the first has far more to check", async () => {
    const log = memoryLog();
    const ingest = createIngest({ ...memoryDefinitions(keyed), log: log.writer });
    const unchecked = async (rows: unknown[]) => {
      const call = await callOf(rows);
      return { ...call, records: { ...call.records, checkedBy: undefined } };
    };
    const many = await unchecked(Array.from({ length: 20_000 }, (_, n) => ({ k: "a", n })));
    const one = await unchecked([{ k: "a", n: 20_000 }]);
    const answers = [(await ingest.start(many)).answer, (await ingest.start(one)).answer];
    await Promise.all(answers);
    expect(log.records().map((r) => (JSON.parse(r) as { n: number }).n)).toEqual(
      Array.from({ length: 20_001 }, (_, n) => n),
    );
  });

  test.each([
    [{ stream: "projects/demo/streams/other" }, "RESOURCE_NOT_FOUND"],
    [{ stream: "sensors" }, "INVALID_FIELDS"],
    [{ branch: "dev" }, "RESOURCE_NOT_FOUND"],
    [{ branch: "a.b>" }, "INVALID_FIELDS"],
    [{ idempotencyKey: "x".repeat(257) }, "INVALID_FIELDS"],
  ] as [Partial<PushCall>, string][])("K58 %j is refused with %s", async (more, reason) => {
    const ingest = createIngest({ ...memoryDefinitions(keyed), log: memoryLog().writer });
    const call = await callOf([{ k: "a", n: 1 }], more);
    await expect(ingest.push(call)).rejects.toSatisfy((e) => reasonOf(e) === reason);
  });
});
