import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  RecordBatch_Compression,
  RecordBatchSchema,
} from "#gen/tributary/records/v1/record_batch_pb.js";
import { callEntrySize, encodeRecordBatch } from "../../src/core/record-batch.ts";
import { part } from "./support.ts";

test("fixed vectors: the stored form never changes", () => {
  expect(Buffer.from(encodeRecordBatch([])).toString("hex")).toBe("08011001");
  expect(Buffer.from(encodeRecordBatch([part(0, "1").block])).toString("hex")).toBe(
    "080110011a0f08c0843d120470757368500" + "15a0131",
  );
  const large = encodeRecordBatch([new Uint8Array(300)]);
  expect(Buffer.from(large.subarray(0, 7)).toString("hex")).toBe("080110011aac02");
});

test("whatever the calls, protobuf decodes what was put in", () => {
  const texts = fc.array(fc.array(fc.string({ maxLength: 400 }), { maxLength: 5 }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(texts, (calls) => {
      const blocks = calls.map((records) => part(0, ...records).block);
      const bytes = encodeRecordBatch(blocks);
      expect(bytes.length).toBe(4 + blocks.reduce((sum, b) => sum + callEntrySize(b.length), 0));
      const batch = fromBinary(RecordBatchSchema, bytes);
      expect(batch.format).toBe(1);
      expect(batch.compression).toBe(RecordBatch_Compression.NONE);
      expect(batch.calls.map((c) => c.records.map((r) => new TextDecoder().decode(r)))).toEqual(
        calls.map((records) => records.map((r) => r.toWellFormed())),
      );
    }),
  );
});
