import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { parquetMetadata, parquetReadObjects, parquetSchema } from "hyparquet";
import { expect, test } from "vitest";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { columnsOf } from "../../../src/sinks/parquet/column.ts";
import type { ParquetJob } from "../../../src/sinks/parquet/job.ts";
import { encodeParquet } from "../../../src/sinks/parquet/thread.ts";
import { schemaOf } from "../sample.ts";

const schema = schemaOf(
  Object.entries(T)
    .filter(([name, type]) => typeof type === "number" && type > 0 && name.length > 0)
    .map(([name, type]) => ({ name: name.toLowerCase(), type: type as T })),
);

const compressors = {
  ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)),
  GZIP: (input: Uint8Array) => new Uint8Array(gunzipSync(input)),
};

const micros = { timestampFromMicroseconds: (value: bigint) => value };

function jobOf(texts: readonly string[], changes: Partial<ParquetJob> = {}): ParquetJob {
  const bytes = texts.map((text) => Buffer.from(text));
  let end = 0;
  return {
    columns: columnsOf(schema),
    text: Buffer.concat(bytes),
    ends: bytes.map(({ length }) => (end += length)),
    groups: [texts.length],
    given: {},
    codec: "ZSTD",
    isLenient: false,
    metadata: { made: "here" },
    ...changes,
  };
}

async function read(bytes: Uint8Array) {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  return {
    rows: await parquetReadObjects({ file, compressors, utf8: false, parsers: micros }),
    metadata: parquetMetadata(file),
  };
}

const everything = `{"string":"a\\u0000é\\"","long":-9223372036854775808,"double":-1.5e300,
  "decimal":123456789012345678901234567890.123456789,"boolean":false,
  "timestamp":"0001-01-01T00:00:00.000001+00:00","date":"9999-12-31","binary":"AAEC/w==",
  "array":[1, 2],"map":{"a":1e400},"struct":{"b":null},"json":"x"}`;

test("N12: values of every type keep every digit", async () => {
  const texts = [everything, '{"decimal":"1e400","json":1.10,"long":9223372036854775807}', "{}"];
  const { bytes, refused } = await encodeParquet(jobOf(texts), AbortSignal.timeout(20_000));
  expect(refused).toEqual([]);
  const { rows, metadata } = await read(bytes);
  expect(rows[0]).toEqual({
    string: 'a\u0000é"',
    long: -9223372036854775808n,
    double: -1.5e300,
    decimal: "123456789012345678901234567890.123456789",
    boolean: false,
    timestamp: -62135596799999999n,
    date: new Date("9999-12-31"),
    binary: new Uint8Array([0, 1, 2, 255]),
    array: "[1, 2]",
    map: '{"a":1e400}',
    struct: '{"b":null}',
    json: '"x"',
  });
  expect(rows[1]).toMatchObject({ decimal: "1e400", json: "1.10", long: 9223372036854775807n });
  expect(Object.values(rows[2]!).every((value) => value === null)).toBe(true);
  expect(metadata.key_value_metadata).toEqual([{ key: "made", value: "here" }]);
  const { children } = parquetSchema(metadata);
  const logical = children.find(({ element }) => element.name === "timestamp")?.element;
  expect(logical?.logical_type).toEqual({
    type: "TIMESTAMP",
    isAdjustedToUTC: true,
    unit: "MICROS",
  });
});

test("a value that its column cannot hold refuses its row, or is left out", async () => {
  const texts = [
    '{"long":1}',
    '{"timestamp":"2026-01-01T00:00:00.0000001Z"}',
    '{"long":"one"}',
    '{"double":1e400}',
    '{"timestamp":"2026-01-01T00:00:00.1234560Z"}',
  ];
  const strict = await encodeParquet(jobOf(texts), AbortSignal.timeout(20_000));
  expect(strict.refused).toEqual([
    {
      row: 1,
      field: "timestamp",
      why: "is finer than a microsecond, which the column cannot hold",
    },
    { row: 2, field: "long", why: "is not a number" },
    { row: 3, field: "double", why: "is beyond the range of a double" },
  ]);
  expect((await read(strict.bytes)).rows.map(({ long }) => long)).toEqual([1n, null]);
  const lenient = await encodeParquet(
    jobOf(texts, { isLenient: true }),
    AbortSignal.timeout(20_000),
  );
  expect(lenient.refused).toEqual([]);
  expect((await read(lenient.bytes)).rows).toHaveLength(5);
});

test("every codec is read back, in groups, and the same job is the same bytes", async () => {
  const texts = Array.from({ length: 25 }, (_, i) => `{"long":${i},"string":"${"x".repeat(i)}"}`);
  for (const codec of ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"] as const) {
    const job = jobOf(texts, { codec, groups: [10, 10, 5] });
    const made = await Promise.all(
      [1, 2].map(() => encodeParquet(job, AbortSignal.timeout(20_000))),
    );
    expect(Buffer.compare(made[0]!.bytes, made[1]!.bytes)).toBe(0);
    const { rows, metadata } = await read(made[0]!.bytes);
    expect(rows.map(({ long }) => long)).toEqual(texts.map((_, i) => BigInt(i)));
    expect(metadata.row_groups).toHaveLength(3);
  }
});
