import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SchemaSchema, Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { keyFieldsOf } from "../../src/core/change-data-capture.ts";
import { checkSchemaDefinition } from "../../src/core/schema-definition.ts";

const fields = [
  { name: "id", type: T.LONG },
  { name: "region", type: T.STRING },
  { name: "maybe", type: T.STRING, nullable: true },
  { name: "at", type: T.TIMESTAMP },
  { name: "gone", type: T.BOOLEAN, nullable: true },
];

const faults = (
  capture: { primaryKey?: string[]; orderField?: string; deleteField?: string },
  keyFields: string[] = [],
) => {
  const changeDataCapture = {
    primaryKey: ["id"],
    orderField: "at",
    deleteField: "gone",
    ...capture,
  };
  const schema = create(SchemaSchema, { fields, changeDataCapture });
  return checkSchemaDefinition(schema, keyFields).map(
    ({ field, description }) =>
      `${field.replace("stream.schema.change_data_capture.", "")}: ${description}`,
  );
};

test("F09: a sound set-up has no faults, with the key fields left empty or the same in any order", () => {
  expect(faults({})).toEqual([]);
  expect(faults({}, ["id"])).toEqual([]);
  expect(faults({ primaryKey: ["id", "region"] }, ["region", "id"])).toEqual([]);
  expect(faults({ deleteField: "" })).toEqual([]);
});

test("F09: empty key fields are the primary key", () => {
  const schema = create(SchemaSchema, { fields, changeDataCapture: { primaryKey: ["id"] } });
  expect(keyFieldsOf(schema, [])).toEqual(["id"]);
  expect(keyFieldsOf(schema, ["region"])).toEqual(["region"]);
  expect(keyFieldsOf(create(SchemaSchema, { fields }), [])).toEqual([]);
});

test.each([
  [{ primaryKey: [] }, [], /^primary_key: name the fields/],
  [{ primaryKey: ["nope"] }, [], /^primary_key\[0\]: .*no field "nope"/],
  [{ primaryKey: ["maybe"] }, [], /^primary_key\[0\]: "maybe" must be .* not be null/],
  [{ primaryKey: ["id", "id"] }, [], /^primary_key\[1\]: stands twice/],
  [{ orderField: "" }, [], /^order_field: .*no field ""/],
  [{ orderField: "region" }, [], /^order_field: "region" must be one of LONG, DECIMAL/],
  [{ orderField: "id" }, [], /^order_field: "id" is part of the primary key/],
  [{ deleteField: "nope" }, [], /^delete_field: .*no field "nope"/],
  [{ deleteField: "region" }, [], /^delete_field: "region" must be a BOOLEAN/],
  [{}, ["region"], /^stream.key_fields: must be the primary key .*\(id\), or empty/],
])("F09: %o with key %o is refused", (capture, keyFields, expected) => {
  expect(faults(capture, keyFields)).toEqual([expect.stringMatching(expected)]);
});
