import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Field,
  Field_Type,
  FieldSchema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { longText } from "../../src/core/json-number.ts";
import { compileSchema } from "../../src/core/schema-check.ts";
import { recordScan } from "../../src/core/schema-scan.ts";

type Init = Partial<Omit<Field, "$typeName" | "$unknown">>;
const field = (name: string, type: Field_Type, more: Init = {}) =>
  create(FieldSchema, { name, type, ...more });

function faults(fields: Field[], json: string) {
  const s = recordScan(Buffer.from(json));
  compileSchema(create(SchemaSchema, { fields }))(s);
  expect(s.at).toBe(s.end);
  return s.faults;
}

/** Whether a value fits a type. */
function fits(type: Field_Type, value: string): boolean {
  return faults([field("v", type)], `{"v":${value}}`).length === 0;
}

describe("schema check", () => {
  test.each([
    [
      Field_Type.STRING,
      ['"a"', '""', '"\\u0000"', '"\\ud83d\\ude00"'],
      ["1", "true", "[]", "{}", "null"],
    ],
    [
      Field_Type.LONG,
      [
        "0",
        "-0",
        "1.0",
        "1e2",
        "12.50e1",
        "-9223372036854775808",
        "9223372036854775807",
        "9007199254740993",
        "0e99999999999",
        "1000000000000000000e0",
      ],
      [
        "9223372036854775808",
        "-9223372036854775809",
        "1.5",
        "1e-1",
        '"1"',
        "1e19",
        "1e99999999999",
        "1e-400",
      ],
    ],
    [
      Field_Type.DOUBLE,
      ["0", "-0", "1.5", "1e308", "1e-400", "9".repeat(300)],
      ["1e400", "-1e309", '"NaN"', '"1"', "9".repeat(400)],
    ],
    [
      Field_Type.DECIMAL,
      ["1e400", '"1.50"', '"-0e5"', "123456789012345678901234567890.5"],
      ['"NaN"', '"01"', '"1 "', '""', '"0x1"', "true"],
    ],
    [Field_Type.BOOLEAN, ["true", "false"], ["0", '"true"', "null"]],
    [
      Field_Type.TIMESTAMP,
      [
        '"2026-01-01T00:00:00Z"',
        '"2024-02-29T23:59:59.123456789+05:30"',
        '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59.999Z"',
        '"2026-01-01t00:00:00z"',
        '"\\u0032026-01-01T00:00:00-00:00"',
      ],
      [
        '"2026-01-01T00:00:00"',
        '"10000-01-01T00:00:00Z"',
        '"2016-12-31T23:59:60Z"',
        '"2023-02-29T00:00:00Z"',
        '"2026-13-01T00:00:00Z"',
        '"0000-01-01T00:00:00Z"',
        '"2026-01-01T24:00:00Z"',
        '"2026-01-01 00:00:00Z"',
        '"2026-01-01T00:00:00.Z"',
        '"2026-01-01T00:00:00Zx"',
        '"2026-01-01T00:00:00+1:00"',
        '"0001-01-01T00:00:00+01:00"',
        '"9999-12-31T23:59:59-01:00"',
        "1767225600",
        '"2026-01-01"',
        '""',
      ],
    ],
    [
      Field_Type.DATE,
      ['"2026-01-31"', '"2000-02-29"'],
      ['"1900-02-29"', '"2026-1-31"', '"2026-01-31T00:00:00Z"', '"2026-04-31"', '""'],
    ],
    [
      Field_Type.BINARY,
      ['""', '"aGk="', '"+/8="', '"aGVsbG8h"', '"YQ=="'],
      ['"aGk"', '"a"', '"_-8="', '"aG k="', '"===="', '"YQ==="', "1"],
    ],
    [Field_Type.JSON, ["1e400", "[1,{}]", '"x"', "true"], ["null"]],
  ])("K57 D19-D27 values of type %s", (type, good, bad) => {
    expect(good.filter((value) => !fits(type, value))).toEqual([]);
    expect(bad.filter((value) => fits(type, value))).toEqual([]);
  });

  test("F21: names the path of each fault with its reason, all at once", () => {
    const fields = [
      field("id", Field_Type.LONG),
      field("site", Field_Type.STRUCT, {
        fields: [
          field("id", Field_Type.LONG),
          field("tags", Field_Type.ARRAY, { element: field("", Field_Type.STRING) }),
        ],
      }),
      field("m", Field_Type.MAP, { element: field("", Field_Type.BOOLEAN) }),
      field("opt", Field_Type.STRING, { nullable: true }),
      field("must", Field_Type.STRING),
    ];
    const found = faults(
      fields,
      '{"id":1.5, "site" : {"id":"x","tags":["a",2,null]}, "m":{"k.1":1}, "extra": {"a":[1]}, "id":2, "sp ace":1, "opt":null}',
    );
    expect(found.map((f) => f.path)).toEqual([
      "id",
      "site.id",
      "site.tags[1]",
      "site.tags[2]",
      'm["k.1"]',
      "extra",
      "id",
      '["sp ace"]',
      "must",
    ]);
    expect(found[1]?.description).toBe(
      "is a string, an integer (LONG), as a number without quotes, is needed",
    );
    expect(found[5]?.description).toContain("is not in the schema (it has id, site, m, opt, must)");
    expect(found[8]?.description).toContain("is missing");
  });

  test("C15 fields named __proto__ and toString are fields like others", () => {
    const fields = [
      field("__proto__", Field_Type.LONG),
      field("toString", Field_Type.LONG, { nullable: true }),
    ];
    expect(faults(fields, '{"__proto__":1}')).toEqual([]);
    expect(faults(fields, '{"__proto__":1,"constructor":2}').map((f) => f.path)).toEqual([
      "constructor",
    ]);
  });

  test("takes fields in any order, nullable ones missing or null, names written with escapes", () => {
    const fields = ["a", "ab", "abc", "b"].map((name) =>
      field(name, Field_Type.LONG, { nullable: name === "b" }),
    );
    expect(faults(fields, '{"abc":1,"a":2,"ab":3}')).toEqual([]);
    expect(faults(fields, '{ "b" : null , "\\u0061":2,"ab":3,"abc":1 }')).toEqual([]);
  });

  test.each(["[]", "null", "1", '"x"'])("A4 a record %s is refused", (json) => {
    expect(faults([field("a", Field_Type.LONG)], json)).toHaveLength(1);
  });

  test("longs are exact: as BigInt judges", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
        fc.nat({ max: 25 }),
        (value, zeros) => {
          const isIn = value >= -(2n ** 63n) && value < 2n ** 63n;
          const expected = isIn ? { text: String(value) } : "range";
          expect(longText(String(value))).toEqual(expected);
          expect(longText(`${value}.${"0".repeat(zeros + 1)}`)).toEqual(expected);
          expect(longText(`${value}${"0".repeat(zeros)}e-${zeros}`)).toEqual(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("timestamps are judged as Date judges them, over all days", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9999 }),
        fc.nat({ max: 13 }),
        fc.nat({ max: 32 }),
        (y, m, d) => {
          const date = `${String(y).padStart(4, "0")}-${String(m).padStart(2, "0")}-${String(d).padStart(2, "0")}`;
          const parsed = new Date(`${date}T00:00:00Z`);
          const isReal =
            y > 0 && !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date);
          expect(fits(Field_Type.DATE, `"${date}"`)).toBe(isReal);
          expect(fits(Field_Type.TIMESTAMP, `"${date}T12:00:00Z"`)).toBe(isReal);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
