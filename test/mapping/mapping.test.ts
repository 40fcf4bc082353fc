import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type ColumnSchema, MappingSchema } from "#gen/tributary/management/v1/mapping_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { compileMapping, MappingFault } from "../../src/mapping/mapping.ts";
import type { MappedRecord } from "../../src/mapping/record-view.ts";

type Columns = readonly MessageInitShape<typeof ColumnSchema>[];

const schema = create(SchemaSchema, {
  fields: [
    { name: "id", type: Field_Type.LONG },
    { name: "note", type: Field_Type.STRING, nullable: true },
    { name: "data", type: Field_Type.STRUCT, fields: [{ name: "x", type: Field_Type.DOUBLE }] },
  ],
});

function record(json: string): MappedRecord {
  return {
    recordId: "019a0000-0000-7000-8000-000000000000",
    json: Buffer.from(json),
    arrivalTimeUs: Date.parse("2023-01-14T08:04:05.123Z") * 1000 + 7,
    call: {
      address: "203.0.113.7",
      headers: [
        { name: "x-event", value: "push" },
        { name: "content-type", value: "application/json" },
        { name: "x-event", value: "second" },
      ],
    },
  };
}

function compiled(columns: Columns) {
  const mapping = compileMapping(create(MappingSchema, { columns: [...columns] }), schema);
  if (Array.isArray(mapping)) throw new Error(JSON.stringify(mapping));
  return mapping;
}

function map(columns: Columns, json: string): unknown {
  const mapping = compiled(columns);
  const row = mapping.map(mapping.viewOf(record(json)), []);
  return row instanceof MappingFault ? `${row.column}: ${row.why}` : Buffer.from(row).toString();
}

function faults(columns: Columns): string[] {
  const result = compileMapping(create(MappingSchema, { columns: [...columns] }), schema);
  return Array.isArray(result) ? result.map((f) => `${f.field}: ${f.description}`) : [];
}

const fact = (name: "id" | "datetime" | "ip" | "body" | "headers") =>
  ({ name, value: { case: name, value: {} } }) as Columns[number];
const path = (name: string, at: string, more: object = {}) =>
  ({ name, value: { case: "path", value: { path: at } }, ...more }) as Columns[number];

test("K05: id, datetime, ip, body and headers fill as described", () => {
  const json = '{ "id" : 9007199254740993 }';
  const row = map([fact("id"), fact("datetime"), fact("ip"), fact("body"), fact("headers")], json);
  expect(JSON.parse(row as string)).toEqual({
    id: "019a0000-0000-7000-8000-000000000000",
    datetime: "2023-01-14T08:04:05.123Z",
    ip: "203.0.113.7",
    body: json,
    headers: { "Content-Type": "application/json", "X-Event": "push" },
  });
});

test("K08: a nested path gives the value as it was written; a missing one holds the row and says which", () => {
  const columns = [path("n", 'a["b.c"][1].d')];
  expect(map(columns, '{"a":{"b.c":[0,{"d":1e400}]}}')).toBe('{"n":1e400}');
  expect(map(columns, '{"a":{"b.c":[0]}}')).toBe('n: the path a["b.c"][1].d is missing');
});

test("K09: a missing path gives the default of any type; a present null is a value", () => {
  const value = (kind: object) =>
    ({
      name: "n",
      value: { case: "path", value: { path: "a", default: { kind } } },
    }) as Columns[number];
  const text = { case: "stringValue", value: "none" };
  expect(map([value(text)], "{}")).toBe('{"n":"none"}');
  expect(map([value(text)], '{"a":null}')).toBe('{"n":null}');
  expect(map([value({ case: "nullValue", value: 0 })], "{}")).toBe('{"n":null}');
  const list = {
    case: "listValue",
    value: { values: [{ kind: { case: "numberValue", value: 1 } }] },
  };
  expect(map([value(list)], "{}")).toBe('{"n":[1]}');
});

test("K04: a name is used once, is a name, and no nullable column is part of the key", () => {
  expect(
    faults([
      path("a", "a"),
      path("a", "b"),
      path("1x", "c"),
      path("k", "d", { primaryKey: true, nullable: true }),
      path("p", "a..b"),
      path("q", "a[x"),
    ]),
  ).toEqual([
    "columns[1].name: another column is named a",
    "columns[2].name: a name is a letter or underscore, then letters, digits, _ and -",
    "columns[3].nullable: a column of the primary key may not be nullable",
    "columns[4].path.path: a key is missing at character 2",
    "columns[5].path.path: is no path at character 2",
  ]);
  const two = [path("a", "a", { primaryKey: true }), path("b", "b", { primaryKey: true })];
  expect(compiled(two).primaryKey).toEqual(["a", "b"]);
});

test("a column with a type takes only what fits; STRING takes everything as text", () => {
  const long = [path("n", "a", { type: Field_Type.LONG })];
  expect(map(long, '{"a":12}')).toBe('{"n":12}');
  expect(map(long, '{"a":1.5}')).toBe("n: has a fraction, an integer (LONG) is needed");
  expect(map(long, '{"a":null}')).toMatch(/^n: is null/);
  expect(map([path("n", "a", { type: Field_Type.LONG, nullable: true })], '{"a":null}')).toBe(
    '{"n":null}',
  );
  const text = [path("n", "a", { type: Field_Type.STRING })];
  expect(map(text, '{"a":{"b":1.0}}')).toBe(String.raw`{"n":"{\"b\":1.0}"}`);
  expect(map(text, '{"a":"s"}')).toBe('{"n":"s"}');
});

test("a field column has the type of its field; a field that there is not is refused with the nearest", () => {
  const field = (name: string, from = "") =>
    ({ name, value: { case: "field", value: { name: from } } }) as Columns[number];
  const mapping = compiled([field("id"), field("remark", "note"), field("data")]);
  expect(mapping.schema.fields.map(({ name, type }) => [name, type])).toEqual([
    ["id", Field_Type.LONG],
    ["remark", Field_Type.STRING],
    ["data", Field_Type.JSON],
  ]);
  const columns = [field("id"), { ...field("remark", "note"), nullable: true }, field("data")];
  expect(map(columns, '{"id":1,"data":{"x":2}}')).toBe('{"id":1,"remark":null,"data":{"x":2}}');
  expect(map([field("remark", "note")], '{"id":1}')).toMatch(/^remark: is null/);
  expect(faults([field("nte")])).toEqual([
    "columns[0].field.name: the stream has no field nte; did you mean note?",
  ]);
});

test("K06: a template of another language than Jsonnet is refused", () => {
  const template = (language: string) =>
    ({
      name: "t",
      value: { case: "template", value: { language, content: "1" } },
    }) as Columns[number];
  expect(faults([template("jq")])).toEqual([
    "columns[0].template.language: jq is not a language of templates: jsonnet",
  ]);
});
