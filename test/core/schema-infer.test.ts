import fc from "fast-check";
import { expect, test } from "vitest";
import { type Field, Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { compileSchema } from "../../src/core/schema-check.ts";
import { checkSchemaDefinition } from "../../src/core/schema-definition.ts";
import { inferSchema, NumberText } from "../../src/core/schema-infer.ts";
import { recordScan } from "../../src/core/schema-scan.ts";

function parse(text: string): object {
  const keep = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" ? new NumberText(context?.source ?? "") : value;
  return JSON.parse(text, keep) as object;
}

/** `type` or `type?`, with what is inside. */
function describe(field: Field): unknown {
  const mark = field.nullable ? "?" : "";
  if (field.element) return [`ARRAY${mark}`, describe(field.element)];
  if (field.type === Field_Type.STRUCT) return [`STRUCT${mark}`, describeAll(field.fields)];
  return `${Field_Type[field.type]}${mark}`;
}
const describeAll = (fields: readonly Field[]) =>
  Object.fromEntries(fields.map((field) => [field.name, describe(field)]));
const inferred = (...texts: string[]) => describeAll(inferSchema(texts.map(parse)).schema.fields);

test("S13, F08: a sample gives the fields with their types", () => {
  expect(
    inferred(
      '{"sensor_id":"a1","temperature":21.5,"created_at":"2026-01-31T12:00:00Z","day":"2026-01-31","ok":true,"n":3}',
    ),
  ).toEqual({
    sensor_id: "STRING",
    temperature: "DOUBLE",
    created_at: "TIMESTAMP",
    day: "DATE",
    ok: "BOOLEAN",
    n: "LONG",
  });
});

test("nested objects, arrays and optional fields; null and missing make a field nullable", () => {
  expect(
    inferred(
      '{"site":{"id":1,"tags":["a"]},"readings":[{"v":1},{"v":2.5,"unit":"C"}],"note":null}',
      '{"site":{"id":2,"tags":[]},"readings":[],"extra":null}',
    ),
  ).toEqual({
    site: ["STRUCT", { id: "LONG", tags: ["ARRAY", "STRING"] }],
    readings: ["ARRAY", ["STRUCT", { v: "DOUBLE", unit: "STRING?" }]],
    note: "JSON?",
    extra: "JSON?",
  });
});

test("N12: numbers that a double or 64 bits cannot hold are DECIMAL; shortest doubles are DOUBLE", () => {
  expect(
    inferred(
      '{"a":9007199254740993,"b":9223372036854775808,"c":1e400,"d":0.1234567890123456789,"e":0.016666666666666666,"f":1.0}',
    ),
  ).toEqual({ a: "LONG", b: "DECIMAL", c: "DECIMAL", d: "DECIMAL", e: "DOUBLE", f: "DOUBLE" });
  expect(inferred('{"a":1}', '{"a":2.5}')).toEqual({ a: "DOUBLE" });
  expect(inferred('{"a":1}', '{"a":"x"}')).toEqual({ a: "JSON" });
  expect(inferred('{"a":"2026-01-31"}', '{"a":"2026-01-31T00:00:00Z"}')).toEqual({ a: "STRING" });
});

test("a name that no field can have is told; deep down it makes its object JSON", () => {
  const { schema, unusableNames } = inferSchema([parse('{"unit name":1,"ok":{"a b":1}}')]);
  expect(unusableNames).toEqual(["unit name"]);
  expect(describeAll(schema.fields)).toEqual({ ok: "JSON" });
});

const name = fc.constantFrom("a", "b", "c", "d-1", "__proto__", "x y");
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom("2026-01-31T12:00:00Z", "2026-01-31", "text", ""),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(name, tie("any"), { maxKeys: 4 }),
  ),
})).any;
const records = fc.array(
  fc.dictionary(fc.constantFrom("a", "b", "c", "d"), value, { minKeys: 1 }),
  {
    minLength: 1,
    maxLength: 5,
  },
);

test("every sample fits the schema that is inferred of it, and the schema is sound", () => {
  fc.assert(
    fc.property(records, (samples) => {
      const texts = samples.map((sample) => JSON.stringify(sample));
      const { schema } = inferSchema(texts.map(parse));
      expect(checkSchemaDefinition(schema, [])).toEqual([]);
      const check = compileSchema(schema);
      for (const text of texts) {
        const scan = recordScan(Buffer.from(text));
        check(scan);
        expect(scan.faults, text).toEqual([]);
      }
    }),
    { numRuns: 2_000 },
  );
});
