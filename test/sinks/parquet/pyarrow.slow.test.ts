import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { columnsOf } from "../../../src/sinks/parquet/column.ts";
import { encodeParquet } from "../../../src/sinks/parquet/thread.ts";
import { readByPyarrow } from "../../support/pyarrow.ts";
import { schemaOf } from "../sample.ts";

const names = Object.values(T).filter((type) => typeof type === "string" && type in T);
const fields = names
  .map((name) => ({ name: String(name).toLowerCase(), type: T[name as keyof typeof T] }))
  .filter(({ type }) => type > 0);

test("N12: pyarrow reads every type and codec as it was written", async () => {
  const dir = await mkdtemp(join(tmpdir(), "pyarrow-"));
  const texts = [
    `{"string":"é","long":9223372036854775807,"double":0.1,"decimal":1e400,"boolean":true,
      "timestamp":"2026-01-31T12:00:00.123456+01:00","date":"2026-01-31","binary":"AAEC/w==",
      "array":[1,2],"map":{"a":1.10},"struct":{"b":null},"json":"x"}`,
    "{}",
  ].map((text) => Buffer.from(text));
  const [first = 0, second = 0] = texts.map(({ length }) => length);
  const paths: string[] = [];
  for (const codec of ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"] as const) {
    const job = {
      columns: columnsOf(schemaOf(fields)),
      text: Buffer.concat(texts),
      ends: [first, first + second],
      groups: [1, 1],
      given: {},
      metadata: {},
      isLenient: false,
      codec,
    };
    const { bytes } = await encodeParquet(job, AbortSignal.timeout(20_000));
    paths.push(join(dir, `${codec}.parquet`));
    await writeFile(paths.at(-1)!, bytes);
  }
  try {
    for (const { types, rows } of await readByPyarrow(paths)) {
      expect(types).toEqual({
        string: "string",
        long: "int64",
        double: "double",
        decimal: "string",
        boolean: "bool",
        timestamp: "timestamp[us, tz=UTC]",
        date: "date32[day]",
        binary: "binary",
        array: "string",
        map: "string",
        struct: "string",
        json: "string",
      });
      expect(rows[0]).toEqual({
        string: "é",
        long: "9223372036854775807",
        double: "0.1",
        decimal: "1e400",
        boolean: "True",
        timestamp: `${Date.UTC(2026, 0, 31, 11) * 1000 + 123_456}`,
        date: "2026-01-31",
        binary: "000102ff",
        array: "[1,2]",
        map: '{"a":1.10}',
        struct: '{"b":null}',
        json: '"x"',
      });
      expect(Object.values(rows[1] ?? {}).every((value) => value === null)).toBe(true);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}, 300_000);
