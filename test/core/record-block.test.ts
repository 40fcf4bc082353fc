import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CallBlockSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import { decodeRecordBatch, encodeRecordBatch } from "../../src/core/record-batch.ts";
import {
  BLOCK_BYTES_MAX,
  type CallFacts,
  divideRows,
  encodeCallBlock,
  type RecordRows,
} from "../../src/core/record-block.ts";

const facts: CallFacts = {
  arrivalTimeUs: 1767225600123456,
  source: "push",
  authentication: "oauth2",
  address: "127.0.0.1",
  schemaVersion: 3,
  traceContext: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

function rowsOf(texts: string[], more: Partial<RecordRows> = {}): RecordRows {
  const bytes = Buffer.from(texts.join(""));
  const spans: number[] = [];
  let at = 0;
  for (const text of texts) {
    spans.push(at, at + Buffer.byteLength(text));
    at += Buffer.byteLength(text);
  }
  return { bytes, spans, ids: [], hashes: [], ...more };
}

function encodeCallBlocks(call: CallFacts, records: RecordRows, chosen: readonly number[]) {
  return divideRows(records, chosen).map((rows) => encodeCallBlock(call, records, rows));
}

const all = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("call blocks", () => {
  test("have the bytes of protobuf-es, for any facts and records", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    const rows = fc.array(fc.tuple(text, text, fc.nat({ max: 2 ** 32 - 1 })), {
      minLength: 1,
      maxLength: 30,
    });
    const anyFacts = fc.record({
      arrivalTimeUs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      source: text,
      authentication: text,
      address: text,
      schemaVersion: fc.nat(),
      traceContext: text,
      contentType: text,
      headers: fc.array(fc.record({ name: text, value: text }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(anyFacts, rows, fc.boolean(), fc.boolean(), (f, list, hasIds, hasHashes) => {
        const records = rowsOf(
          list.map((r) => r[0]),
          {
            ids: hasIds ? list.map((r) => r[1]) : [],
            hashes: hasHashes ? list.map((r) => r[2]) : [],
          },
        );
        const [encoded, ...more] = encodeCallBlocks(f, records, all(list.length));
        expect(more).toEqual([]);
        const expected = toBinary(
          CallBlockSchema,
          create(CallBlockSchema, {
            ...f,
            arrivalTimeUs: BigInt(f.arrivalTimeUs),
            schemaVersion: BigInt(f.schemaVersion),
            count: list.length,
            records: list.map((r) => Buffer.from(r[0])),
            producerIds: [...records.ids],
            keyHashes: [...records.hashes],
          }),
        );
        expect(Buffer.from(encoded!.block).toString("hex")).toBe(
          Buffer.from(expected).toString("hex"),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("the bytes of format 1, fixed", () => {
    const rows = rowsOf(['{"a":1}', "{}"], { ids: ["x", ""], hashes: [1, 0xfffffffe] });
    const [encoded] = encodeCallBlocks({ ...facts, traceContext: "" }, rows, [1, 0]);
    expect(Buffer.from(encoded!.block).toString("hex")).toBe(
      "08c0c488b184e991031204707573681a066f617574683222093132372e302e302e3138034a004a0178" +
        "50025a027b7d5a077b2261223a317d6208feffffff01000000",
    );
  });

  test("split so that each stays within 508 KiB, in order and alike for any facts", () => {
    const texts = Array.from(
      { length: 3000 },
      (_, i) => `{"n":${i},"pad":"${"x".repeat(i % 700)}"}`,
    );
    const records = rowsOf(texts);
    const blocks = encodeCallBlocks(facts, records, all(texts.length));
    expect(blocks.length).toBeGreaterThan(1);
    for (const { block } of blocks) expect(block.length).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
    const decoded = blocks.flatMap(
      ({ block }) => decodeRecordBatch(encodeRecordBatch([block])).calls[0]!.records,
    );
    expect(decoded.map((r) => Buffer.from(r).toString())).toEqual(texts);
    const other = encodeCallBlocks(
      { ...facts, address: "x".repeat(300) },
      records,
      all(texts.length),
    );
    expect(other.map((b) => b.rows)).toEqual(blocks.map((b) => b.rows));
  });

  test("a record larger than a block stands alone", () => {
    const texts = ["{}", `"${"x".repeat(900_000)}"`, "{}"];
    const blocks = encodeCallBlocks(facts, rowsOf(texts), [0, 1, 2]);
    expect(blocks.map((b) => b.rows)).toEqual([[0], [1], [2]]);
  });
});
