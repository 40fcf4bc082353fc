import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { InferSchemaRequestSchema } from "#gen/tributary/management/v1/stream_service_pb.js";
import { inferFromSamples } from "../../src/catalog/infer-schema.ts";
import { failureOf } from "../support/reason-of-call.ts";

const infer = (...samples: string[]) =>
  inferFromSamples(create(InferSchemaRequestSchema, { parent: "projects/a", samples }));
const typesOf = (...samples: string[]) =>
  infer(...samples).schema.fields.map((field) => [
    field.name,
    Field_Type[field.type],
    field.nullable,
  ]);

test.each([
  ["one object", ['{"a":1,"b":"x"}']],
  ["an array of objects", ['[{"a":1,"b":"x"},{"a":2,"b":"y"}]']],
  ["objects on lines", ['{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n']],
  ["objects joined by commas", ['{"a":1,"b":"x"},{"a":2,"b":"y"}']],
  ["the form of a push", ['[{"value":{"a":1,"b":"x"}}]']],
  ["several samples, one with a byte order mark", ['\uFEFF{"a":1,"b":"x"}', '{"a":2,"b":"y"}']],
])("S13: a schema is inferred from %s", (_title, samples) => {
  expect(typesOf(...samples)).toEqual([
    ["a", "LONG", false],
    ["b", "STRING", false],
  ]);
});

test("a record whose only field is named value, and no object, is a record of that field", () => {
  expect(typesOf('{"value":1}')).toEqual([["value", "LONG", false]]);
});

test.each([
  ['{"a":1,\n "b":tru}', "samples[0]", /line 2, column/],
  ['{"a":1,"a":2}', "samples[0]", /line 1, column 8/],
  ["[1]", "samples[0]", /is not a JSON object/],
  ['[{"a":1},7]', "samples[0][1]", /is not a JSON object/],
  ["", "samples", /at least one record/],
])("S13: %s is refused with its place", async (sample, field, text) => {
  const failure = await failureOf(Promise.resolve(sample).then(infer));
  expect(failure.fields).toEqual([field]);
  expect(failure.message).toMatch(text);
});
