import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  type Field,
  Field_Type,
  FieldSchema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { checkSchemaDefinition } from "../../src/core/schema-definition.ts";

type Init = Partial<Omit<Field, "$typeName" | "$unknown">>;
const field = (name: string, type: Field_Type, more: Init = {}) =>
  create(FieldSchema, { name, type, ...more });
const faults = (fields: Field[], keys: string[] = []) =>
  checkSchemaDefinition(create(SchemaSchema, { fields }), keys).map((v) => v.field);

describe("schema definitions", () => {
  test("a sound schema with keys has no faults", () => {
    const fields = [
      field("sensor_id", Field_Type.STRING),
      field("at", Field_Type.TIMESTAMP),
      field("tags", Field_Type.ARRAY, { element: field("", Field_Type.STRING) }),
      field("site", Field_Type.STRUCT, { fields: [field("id", Field_Type.LONG)] }),
      field("m", Field_Type.MAP, { element: field("", Field_Type.JSON, { nullable: true }) }),
      field("__proto__", Field_Type.DOUBLE),
    ];
    expect(faults(fields, ["sensor_id", "at"])).toEqual([]);
  });

  test("no fields at all is one fault", () => {
    expect(checkSchemaDefinition(undefined, []).map((v) => v.field)).toEqual([
      "stream.schema.fields",
    ]);
    expect(faults([])).toEqual(["stream.schema.fields"]);
  });

  test("names every fault at once with its path", () => {
    const fields = [
      field("", Field_Type.STRING),
      field("1st", Field_Type.STRING),
      field("a", Field_Type.STRING),
      field("a", Field_Type.TYPE_UNSPECIFIED),
      field("x".repeat(129), Field_Type.STRING),
      field("list", Field_Type.ARRAY),
      field("s", Field_Type.STRUCT),
      field("t", Field_Type.STRING, { element: field("", Field_Type.STRING) }),
      field("u", Field_Type.STRING, { fields: [field("v", Field_Type.STRING)] }),
      field("w", Field_Type.MAP, { element: field("n", Field_Type.STRING) }),
      field("y", Field_Type.STRUCT, { fields: [field("b c", Field_Type.STRING)] }),
    ];
    expect(faults(fields)).toEqual([
      "stream.schema.fields[0].name",
      "stream.schema.fields[1].name",
      "stream.schema.fields[3].name",
      "stream.schema.fields[3].type",
      "stream.schema.fields[4].name",
      "stream.schema.fields[5].element",
      "stream.schema.fields[6].fields",
      "stream.schema.fields[7].element",
      "stream.schema.fields[8].fields",
      "stream.schema.fields[9].element.name",
      "stream.schema.fields[10].fields[0].name",
    ]);
  });

  test("key fields exist, are not nullable, stand once, and have a type with an order of bytes", () => {
    const fields = [
      field("a", Field_Type.STRING),
      field("n", Field_Type.STRING, { nullable: true }),
      field("d", Field_Type.DOUBLE),
    ];
    expect(faults(fields, ["a", "a", "n", "d", "zz"])).toEqual([
      "stream.key_fields[1]",
      "stream.key_fields[2]",
      "stream.key_fields[3]",
      "stream.key_fields[4]",
    ]);
    expect(faults(fields, Array(9).fill("a"))[0]).toBe("stream.key_fields");
  });

  test("at most 20 levels and 1,000 fields", () => {
    let deep = field("x", Field_Type.STRING);
    for (let i = 1; i < 20; i++) deep = field("x", Field_Type.STRUCT, { fields: [deep] });
    expect(faults([deep])).toEqual([]);
    expect(faults([field("x", Field_Type.STRUCT, { fields: [deep] })])).toHaveLength(1);
    const many = Array.from({ length: 500 }, (_, i) => field(`f${i}`, Field_Type.STRING));
    expect(faults([field("s", Field_Type.STRUCT, { fields: many }), ...many.slice(1)])).toEqual([]);
    expect(faults([field("s", Field_Type.STRUCT, { fields: many }), ...many])).toEqual([
      "stream.schema.fields",
    ]);
  });
});
