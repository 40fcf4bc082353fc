import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Field_Type, FieldSchema, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { murmur2, partitionOf } from "../../src/core/partition.ts";
import { canonicalKeyFrom, canonicalKeyOf } from "../../src/core/record-rules.ts";

function source(types: Field_Type[]) {
  const fields = types.map((type, i) => create(FieldSchema, { name: `k${i}`, type }));
  const rest = create(FieldSchema, { name: "rest", type: Field_Type.JSON, nullable: true });
  return {
    schema: create(SchemaSchema, { fields: [rest, ...fields] }),
    keyFields: fields.map((f) => f.name),
  };
}

function keyText(type: Field_Type, value: string): string {
  const stream = source([type]);
  const stored = canonicalKeyOf(Buffer.from(`{"rest":[1,{}], "k0" : ${value} }`), stream)!;
  const asked = canonicalKeyFrom(`{"k0":${value}}`, stream);
  expect(asked).toEqual(stored);
  expect(stored.hash).toBe(murmur2(Buffer.from(stored.text)) >>> 0);
  return stored.text;
}

describe("keys", () => {
  test.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("murmur2 of %s is Kafka's", (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
    expect(partitionOf(hash, 16)).toBe((hash & 0x7fffffff) % 16);
    expect(partitionOf(hash >>> 0, 7)).toBe(partitionOf(hash, 7));
  });

  test.each([
    [Field_Type.STRING, "a/é", ['"a/é"', '"\\u0061\\/\\u00e9"']],
    [Field_Type.LONG, "1", ["1", "1.0", "1e0", "10e-1", "0.1e1"]],
    [Field_Type.LONG, "0", ["0", "-0", "0.0", "0e5"]],
    [Field_Type.LONG, "-10", ["-10", "-1e1", "-10.0"]],
    [Field_Type.LONG, "9007199254740993", ["9007199254740993", "9007199254740993.0"]],
    [Field_Type.DECIMAL, "15e-1", ["1.5", "1.50", '"1.5"', "15e-1", '"0.15e1"']],
    [Field_Type.DECIMAL, "1e400", ["1e400", '"10e399"']],
    [Field_Type.BOOLEAN, "true", ["true"]],
    [
      Field_Type.TIMESTAMP,
      "2026-01-01T00:00:00Z",
      [
        '"2026-01-01T00:00:00Z"',
        '"2026-01-01T01:00:00.000+01:00"',
        '"2025-12-31T19:00:00-05:00"',
        '"2026-01-01t00:00:00.0z"',
      ],
    ],
    [Field_Type.TIMESTAMP, "2026-01-01T00:00:00.12Z", ['"2026-01-01T00:00:00.120Z"']],
    [Field_Type.TIMESTAMP, "0001-01-01T00:00:00Z", ['"0001-01-01T00:00:00Z"']],
    [Field_Type.DATE, "2026-01-31", ['"2026-01-31"', '"2026-01-\\u0033\\u0031"']],
    [Field_Type.BINARY, "YQ==", ['"YQ=="', '"YR=="', '"\\u0059Q=="']],
  ])("all ways to write a %s are one key %s", (type, text, values) => {
    for (const value of values) expect(keyText(type, value)).toBe(text);
  });

  test("keys of several fields never run together", () => {
    const stream = source([Field_Type.STRING, Field_Type.STRING]);
    const keyOf = (a: string, b: string) =>
      canonicalKeyOf(Buffer.from(JSON.stringify({ k1: b, k0: a })), stream)!.text;
    expect(keyOf("bar4", "17")).toBe("4:bar42:17");
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        expect(keyOf(a, b) === keyOf(c, d)).toBe(a === c && b === d);
        expect(keyOf(a, `${b}:${c}`) === keyOf(`${a}:${b}`, c)).toBe(false);
      }),
    );
  });

  test.each([
    ['{"k0":null}', "RECORD_INVALID"],
    ["{}", "RECORD_INVALID"],
    ['{"k0":"a","x":1}', "RECORD_INVALID"],
    ['{"k0":1}', "RECORD_INVALID"],
    ['{"k0":"a"} 1', "INVALID_JSON"],
    [`{"k0":"${"x".repeat(2000)}"}`, "RECORD_INVALID"],
  ])("a key asked for as %.30s is refused with %s", (json, reason) => {
    let error: unknown;
    try {
      canonicalKeyFrom(json, source([Field_Type.STRING]));
    } catch (caught) {
      error = caught;
    }
    expect(reasonOf(error)).toBe(reason);
  });

  test("a stream without keys has none", () => {
    expect(canonicalKeyOf(Buffer.from("{}"), source([]))).toBeUndefined();
  });
});
