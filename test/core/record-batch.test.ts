import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CallBlock,
  CallBlockSchema,
  RecordBatch_Compression,
  RecordBatchSchema,
} from "#gen/tributary/records/v1/record_batch_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import {
  decodeCallSpans,
  decodeRecordBatch,
  encodeRecordBatch,
} from "../../src/core/record-batch.ts";

const callArbitrary = fc
  .record({
    arrivalTimeUs: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
    source: fc.string({ unit: "grapheme", maxLength: 20 }),
    authentication: fc.constantFrom("", "oauth2"),
    address: fc.constantFrom("", "127.0.0.1", "::1"),
    headers: fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 3 }),
    contentType: fc.constantFrom("", "application/json"),
    schemaVersion: fc.bigInt({ min: 0n, max: 1_000_000n }),
    traceContext: fc.string(),
    rows: fc.array(
      fc.tuple(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: "grapheme", maxLength: 9 }),
        fc.nat({ max: 2 ** 32 - 1 }),
      ),
      { maxLength: 20 },
    ),
    hasIds: fc.boolean(),
    hasHashes: fc.boolean(),
  })
  .map(({ rows, hasIds, hasHashes, ...call }) =>
    create(CallBlockSchema, {
      ...call,
      count: rows.length,
      records: rows.map((r) => r[0]),
      producerIds: hasIds ? rows.map((r) => r[1]) : [],
      keyHashes: hasHashes ? rows.map((r) => r[2]) : [],
    }),
  );

/** A call as the hand-written decoder gives it. */
function plain(call: CallBlock, firstIndex: number): unknown {
  return {
    firstIndex,
    arrivalTimeUs: Number(call.arrivalTimeUs),
    source: call.source,
    authentication: call.authentication,
    address: call.address,
    headers: call.headers.map((h) => ({ name: h.name, value: h.value })),
    contentType: call.contentType,
    schemaVersion: Number(call.schemaVersion),
    traceContext: call.traceContext,
    producerIds: call.producerIds,
    keyHashes: call.keyHashes,
    records: call.records.map((r) => new Uint8Array(r)),
  };
}

function expected(calls: readonly CallBlock[]): unknown {
  let first = 0;
  const out = calls.map((call) => {
    first += call.count;
    return plain(call, first - call.count);
  });
  return { calls: out, count: first };
}

describe("record batches", () => {
  test("decodes what protobuf-es encodes, exactly", () => {
    fc.assert(
      fc.property(fc.array(callArbitrary, { maxLength: 4 }), (calls) => {
        const batch = create(RecordBatchSchema, {
          format: 1,
          compression: RecordBatch_Compression.NONE,
          calls,
        });
        const decoded = decodeRecordBatch(toBinary(RecordBatchSchema, batch));
        expect(text(decoded)).toBe(text(expected(calls)));
      }),
      { numRuns: 300 },
    );
  });

  test("joins blocks, plain or by zstd, to what decodes to the same calls", () => {
    fc.assert(
      fc.property(fc.array(callArbitrary, { maxLength: 4 }), fc.boolean(), (calls, compress) => {
        const blocks = calls.map((c) => toBinary(CallBlockSchema, c));
        const decoded = decodeRecordBatch(encodeRecordBatch(blocks, { compress }));
        expect(text(decoded)).toBe(text(expected(calls)));
      }),
      { numRuns: 200 },
    );
  });

  test("the places of records say the same as their views", () => {
    fc.assert(
      fc.property(fc.array(callArbitrary, { maxLength: 4 }), fc.boolean(), (calls, compress) => {
        const blocks = calls.map((c) => toBinary(CallBlockSchema, c));
        const message = encodeRecordBatch(blocks, { compress });
        const decoded = decodeCallSpans(message).map(({ bytes, spans, ...call }) => {
          const ends = spans.filter((_, i) => i % 2 === 1);
          const records = ends.map((end, i) => new Uint8Array(bytes.subarray(spans[i * 2]!, end)));
          return { ...call, records };
        });
        expect(text(decoded)).toBe(text(decodeRecordBatch(message).calls));
      }),
      { numRuns: 100 },
    );
  });

  test("a message has the bytes that format 1 fixes", () => {
    const block = toBinary(
      CallBlockSchema,
      create(CallBlockSchema, { source: "push", count: 1, records: [Buffer.from("{}")] }),
    );
    expect(Buffer.from(encodeRecordBatch([block])).toString("hex")).toBe(
      "080110011a0c12047075736850015a027b7d",
    );
  });

  test("compresses what gets smaller", () => {
    const records = Array.from({ length: 500 }, () => Buffer.from('{"sensor_id":"bar4"}'));
    const block = toBinary(CallBlockSchema, create(CallBlockSchema, { count: 500, records }));
    const packed = encodeRecordBatch([block], { compress: true });
    expect(packed.length).toBeLessThan(1000);
    expect(decodeRecordBatch(packed).count).toBe(500);
  });

  test("records are views of the message: nothing is copied", () => {
    const block = toBinary(
      CallBlockSchema,
      create(CallBlockSchema, { count: 1, records: [Buffer.from("{}")] }),
    );
    const message = encodeRecordBatch([block]);
    expect(decodeRecordBatch(message).calls[0]?.records[0]?.buffer).toBe(message.buffer);
  });

  test("a newer format stops the reader with FORMAT_NEWER", () => {
    const error = caught(() => decodeRecordBatch(Uint8Array.of(0x08, 2, 0x10, 1)));
    expect(reasonOf(error)).toBe("FORMAT_NEWER");
    expect(reasonOf(caught(() => decodeRecordBatch(Uint8Array.of(8, 1, 0x10, 3))))).toBe(
      "FORMAT_NEWER",
    );
  });

  test("any bytes decode or fail as LOG_CORRUPT or FORMAT_NEWER, never otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, withHead) => {
        const bytes = withHead ? Uint8Array.of(8, 1, 16, 1, 0x1a, noise.length, ...noise) : noise;
        const error = caught(() => decodeRecordBatch(bytes));
        expect(reasonOf(caught(() => decodeCallSpans(bytes)))).toBe(reasonOf(error));
        if (error) expect(["LOG_CORRUPT", "FORMAT_NEWER"]).toContain(reasonOf(error));
      }),
      { numRuns: 5000 },
    );
  });
});

/** Everything in it as text, bytes as hex. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    Array.isArray(inner) && inner[0] instanceof Uint8Array
      ? inner.map((bytes: Uint8Array) => Buffer.from(bytes).toString("hex"))
      : inner,
  );
}

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
