import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordBatchSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import { openArchiveFile } from "../../src/archive/decode-file.ts";
import { encodeArchiveFile } from "../../src/archive/encode-file.ts";
import { decodeRecordBatch, encodeRecordBatch } from "../../src/core/record-batch.ts";

const text = fc.string({ maxLength: 20, unit: "grapheme" });
const call = fc
  .record({
    time: fc.integer({ min: 1, max: 4e15 }),
    source: text,
    address: text,
    traceContext: text,
    headers: fc.array(fc.record({ name: text, value: text }), { maxLength: 2 }),
    schemaVersion: fc.nat(9),
    records: fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 5 }),
    hasKeys: fc.boolean(),
    hasIds: fc.boolean(),
  })
  .map(({ time, schemaVersion, records, hasKeys, hasIds, ...rest }) => ({
    ...rest,
    arrivalTimeUs: BigInt(time),
    schemaVersion: BigInt(schemaVersion),
    count: records.length,
    records: records.map((value) => Buffer.from(JSON.stringify(value, null, 1))),
    keyHashes: hasKeys ? records.map((_, i) => i * 7) : [],
    producerIds: hasIds ? records.map((_, i) => (i % 2 ? `id${i}` : "")) : [],
  }));

test("messages come out of a file as they went in, to the byte", async () => {
  const messages = fc.array(fc.record({ calls: fc.array(call, { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(messages, async (batches) => {
      const input = batches.map(({ calls }, i) => ({
        sequence: 10 + 3 * i,
        partition: i % 4,
        generation: 2,
        timeMs: 1_700_000_000_000.5 + i,
        data: toBinary(
          RecordBatchSchema,
          create(RecordBatchSchema, { format: 1, compression: 1, calls }),
        ),
      }));
      const logUid = "loguid00000000000001";
      const job = { logUid, logName: "log", fields: [], messages: input };
      const { bytes, rows } = await encodeArchiveFile(job);
      const file = openArchiveFile(Buffer.from(bytes), logUid);
      const output = [];
      for (const group of file.groups) output.push(...(await file.read(group)));
      expect(output.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data) }))).toEqual(
        input.map((message) => ({ ...message, logUid, data: Buffer.from(message.data) })),
      );
      expect(rows).toBe(batches.flatMap(({ calls }) => calls).reduce((n, c) => n + c.count, 0));
      expect(file.groups.at(-1)?.lastSequence).toBe(input.at(-1)?.sequence);
    }),
    { numRuns: 40 },
  );
});

test("compressed messages hold the same records when they come out", async () => {
  const records = Array.from({ length: 50 }, (_, n) => Buffer.from(`{"n": ${n}}`));
  const block = toBinary(
    RecordBatchSchema.fields.find((field) => field.name === "calls")!.message!,
    {
      $typeName: "tributary.records.v1.CallBlock",
      arrivalTimeUs: 5n,
      source: "",
      authentication: "",
      address: "",
      headers: [],
      contentType: "",
      schemaVersion: 1n,
      traceContext: "",
      producerIds: [],
      count: 50,
      records,
      keyHashes: [],
    } as never,
  );
  const data = encodeRecordBatch([block], { compress: true });
  const message = { sequence: 1, partition: 0, generation: 1, timeMs: 1, data };
  const job = { logUid: "l", logName: "l", fields: [], messages: [message] };
  const file = openArchiveFile(Buffer.from((await encodeArchiveFile(job)).bytes), "l");
  const [out] = await file.read(file.groups[0]!);
  const plain = (bytes: Uint8Array) =>
    decodeRecordBatch(new Uint8Array(bytes)).calls.map((each) => ({
      ...each,
      records: each.records.map((json) => Buffer.from(json).toString()),
    }));
  expect(plain(out!.data)).toEqual(plain(data));
});
