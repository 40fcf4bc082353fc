import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { FieldSchema, Field_Type as Type } from "#gen/tributary/management/v1/stream_pb.js";
import {
  completeTemplate,
  MAPPING_FUNCTIONS,
  pathsOf,
  STD_NAMES,
} from "../../src/console/pages/sinks/jsonnet-completion.ts";
import { createStd } from "../../src/jsonnet/std/index.ts";
import { functions } from "../../src/mapping/templates/template-functions.ts";

test("what is offered is what templates know", () => {
  const known = [...createStd(new Map()).keys()].filter((name) => !name.startsWith("__"));
  expect([...STD_NAMES].sort()).toEqual(known.sort());
  const offered = new Set(MAPPING_FUNCTIONS.map(({ label }) => label.replace(/\(.*/, "")));
  expect([...offered].sort()).toEqual(Object.keys(functions).sort());
});

test("paths of a schema reach into structs and arrays, and quote what is no name", () => {
  const field = (name: string, type: Type, more = {}) =>
    create(FieldSchema, { name, type, ...more });
  const site = field("site", Type.STRUCT, { fields: [field("id", Type.STRING)] });
  const items = field("items", Type.ARRAY, {
    element: field("", Type.STRUCT, { fields: [field("sku", Type.STRING)] }),
  });
  expect(pathsOf([site, items])).toEqual(["site", "site.id", "items", "items[0]", "items[0].sku"]);
});

test("functions are offered for a word, members behind std., paths within Body, nothing in other texts", () => {
  const labels = (text: string) =>
    completeTemplate(text, ["site.id"])?.options.map(({ label }) => label);
  expect(labels("local x = B")).toContain("Body(path)");
  expect(labels("std.")).toEqual(STD_NAMES);
  expect(completeTemplate("std.asc", [])?.typed).toBe(3);
  expect(labels('{ a: Body("si')).toEqual(["site.id"]);
  expect(labels('"a text std.')).toBeUndefined();
  expect(labels('"a" + ')).toContain("Now()");
  expect(labels("x.y")).toBeUndefined();
});
