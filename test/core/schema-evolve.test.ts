import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { compileSchema } from "../../src/core/schema-check.ts";
import { evolveSchema, parseKeepingNumbers } from "../../src/core/schema-evolve.ts";
import { inferSchema } from "../../src/core/schema-infer.ts";
import { recordScan } from "../../src/core/schema-scan.ts";

const schema = create(SchemaSchema, {
  fields: [
    { name: "id", type: Field_Type.LONG },
    { name: "note", type: Field_Type.STRING, nullable: true },
    {
      name: "site",
      type: Field_Type.STRUCT,
      fields: [{ name: "name", type: Field_Type.STRING }],
    },
    {
      name: "readings",
      type: Field_Type.ARRAY,
      element: { type: Field_Type.LONG },
    },
  ],
});
const evolve = (json: string) => evolveSchema(schema, parseKeepingNumbers(json) as object);

test("S14: what a record needs is said field by field; what fits stays", () => {
  const { changes, unusablePaths } = evolve(
    '{"id":1.5,"note":null,"site":{"name":null,"zone":{"a":1}},"readings":[1,2.5,null],"x":true,"y z":1}',
  );
  expect(changes).toEqual([
    { path: "id", before: "LONG", after: "DOUBLE" },
    { path: "site.name", before: "STRING", after: "STRING?" },
    { path: "site.zone", before: "", after: "STRUCT<a LONG>?" },
    { path: "readings[]", before: "LONG", after: "DOUBLE" },
    { path: "readings[]", before: "DOUBLE", after: "DOUBLE?" },
    { path: "x", before: "", after: "BOOLEAN?" },
  ]);
  expect(unusablePaths).toEqual(["y z"]);
});

test("a missing field becomes nullable, an unlike one JSON; a record that fits changes nothing", () => {
  expect(evolve('{"note":5,"site":"x","readings":[]}').changes).toEqual([
    { path: "id", before: "LONG", after: "LONG?" },
    { path: "note", before: "STRING?", after: "JSON?" },
    { path: "site", before: "STRUCT<name STRING>", after: "JSON" },
  ]);
  expect(evolve('{"id":1,"site":{"name":"a"},"readings":[1]}').changes).toEqual([]);
});

const name = fc.constantFrom("a", "b", "c", "d");
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom("2026-01-31T12:00:00Z", "2026-01-31", "text"),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(name, tie("any"), { maxKeys: 4 }),
  ),
})).any;
const record = fc.dictionary(name, value, { minKeys: 1 }).map((object) => JSON.stringify(object));

test("S16: after a change the record fits, and so does every record that fitted before", () => {
  const fits = (wanted: typeof schema, text: string) => {
    const scan = recordScan(Buffer.from(text));
    compileSchema(wanted)(scan);
    return scan.faults.length === 0;
  };
  fc.assert(
    fc.property(record, record, record, (first, second, third) => {
      const before = inferSchema([first, second].map((t) => parseKeepingNumbers(t) as object));
      const { schema: after, changes } = evolveSchema(
        before.schema,
        parseKeepingNumbers(third) as object,
      );
      for (const text of [first, second, third]) expect(fits(after, text), text).toBe(true);
      expect(changes.length === 0).toBe(fits(before.schema, third));
    }),
    { numRuns: 2_000 },
  );
});
