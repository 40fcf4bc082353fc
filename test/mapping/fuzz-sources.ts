/** Expressions and paths that are none, or hardly, and records for them. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect } from "vitest";
import { FieldTermSchema, FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { parseJsonPath, readPath, valueAt } from "../../src/core/json-path.ts";
import { compileFilter } from "../../src/mapping/filters/filter.ts";
import { createPathSet } from "../../src/mapping/path-set.ts";
import { type MappedRecord, RecordView } from "../../src/mapping/record-view.ts";
import { compileTimeFormat } from "../../src/mapping/strftime.ts";
import { withinMs } from "../support/case-time.ts";

const CEL_PIECES = (
  "( ) [ ] { } . , ? : ! - + * / % < <= >= > == != in && || _ 0 1 -1 1u 0x1F 1.5 1e309 9223372036854775808 " +
  "true false null 'a' \"b\" b'c' r'\\' ''' \"\"\" '\\u00e9' '\\x' 'a\\ // @ $ ` # \\ record id ip headers time " +
  "record.a record.list record.text record.map['a'] record.list[0] size has exists all map filter exists_one matches " +
  "startsWith contains int uint double string bytes bool type timestamp duration dyn getFullYear as break for é 💩 \u0000 \n"
).split(" ");

/** Small expressions, mostly well formed. */
const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const inner = tie("expression");
  const hole = (text: string, ...parts: fc.Arbitrary<string>[]) =>
    fc
      .tuple(...parts)
      .map((values) => text.replace(/\$(\d)/g, (_, i: string) => values[Number(i) - 1] as string));
  return {
    expression: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("1", "1.5", "2u", "true", "null", "'a'", "b'a'", "[]", "{}", "x"),
      fc.constantFrom("record", "record.a", "record.list", "record.text", "headers", "time", "id"),
      hole("($1 $2 $3)", inner, fc.constantFrom("+", "-", "*", "/", "%", "in"), inner),
      hole("($1 $2 $3)", inner, fc.constantFrom("==", "!=", "<", ">="), inner),
      hole("($1 $2 $3)", inner, fc.constantFrom("&&", "||"), inner),
      hole("($1 ? $2 : $3)", inner, inner, inner),
      hole("$1.$2(x, $3)", inner, fc.constantFrom("exists", "all", "map", "filter"), inner),
      hole("$1.$2($3)", inner, fc.constantFrom("matches", "contains", "startsWith"), inner),
      hole("$1($2)", fc.constantFrom("size", "int", "string", "type", "has", "duration"), inner),
      hole("[$1, $2]", inner, inner),
      hole("{$1: $2}", inner, inner),
      hole("$1[$2]", inner, inner),
      hole("$1.a", inner),
    ),
  };
});

const soup = fc
  .array(fc.constantFrom(...CEL_PIECES), { maxLength: 30 })
  .chain((parts) => fc.constantFrom(" ", "").map((space) => parts.join(space)));
const text = fc.string({ unit: "binary", maxLength: 60 });

const record: MappedRecord = {
  recordId: "019a0000-0000-7000-8000-000000000000",
  json: Buffer.from(
    '{"a":{"a":9007199254740993},"list":[1,[2],"a",null],"text":"aaab","map":{"a":true}}',
  ),
  arrivalTimeUs: 1_700_000_000_000_000,
  call: { address: "192.0.2.1", headers: [{ name: "x-a", value: "a" }] },
};

function viewOf(fields: ReturnType<typeof createPathSet>): RecordView {
  return new RecordView(record, {
    fields,
    paths: fields,
    bodyOf: (json) => ({ text: json, json }),
  });
}

/** Gives a verdict about a record, or says what is wrong; never anything else. */
function filters(condition: Parameters<typeof compileFilter>[0]["condition"]): void {
  const filter = compileFilter(create(FilterSchema, { condition }));
  if (!Array.isArray(filter)) {
    expect(filter.passes(viewOf(filter.fields))).toBeTypeOf("boolean");
    return;
  }
  expect(filter.length).toBeGreaterThan(0);
  for (const { description } of filter) expect(description).not.toBe("");
}

/** CEL: compiled and asked about a record. */
export const survivesCel = (source: string): void =>
  withinMs(CASE_MS, () => filters({ case: "cel", value: source }));

const PATH_PIECES =
  '. [ ] " \\ [0] [1] [999999999] [9999999999] [-1] ["a.b"] ["\\u0061"] a list é 💩 = \n __proto__'
    .split(" ")
    .concat([" ", "\u0000"]);
const pathText = fc
  .array(fc.constantFrom(...PATH_PIECES), { maxLength: 20 })
  .map((parts) => parts.join(""));

/** Paths: read, written into a set, looked up both ways, and as a field of a filter. */
export function survivesPath(source: string): void {
  withinMs(CASE_MS, () => {
    const parsed = parseJsonPath(source);
    if ("path" in parsed) expect(parsed.end).toBeLessThanOrEqual(source.length);
    const path = readPath(source);
    if (typeof path === "string") expect(path).toMatch(/at character \d+$/);
    else {
      const set = createPathSet();
      const slot = set.add(path);
      const found = set.find(viewOf(set).text)[slot];
      const wanted = valueAt(JSON.parse(viewOf(set).text), path);
      expect(found === undefined ? undefined : JSON.parse(found)).toEqual(wanted);
    }
    const terms = [create(FieldTermSchema, { field: source, value: { kind: VALUE } })];
    filters({ case: "fields", value: { $typeName: "tributary.management.v1.FieldFilter", terms } });
  });
}

const VALUE = { case: "stringValue", value: "a" } as const;

/** Time formats: written, or refused with a reason. */
export function survivesTimeFormat(source: string): void {
  withinMs(CASE_MS, () => {
    try {
      expect(compileTimeFormat(source)(1_700_000_000_000)).toBeTypeOf("string");
    } catch (error) {
      expect((error as Error).message).not.toBe("");
      expect(error).not.toBeInstanceOf(TypeError);
      expect(error).not.toBeInstanceOf(RangeError);
    }
  });
}

/** The longest a case may take, in milliseconds. */
export const CASE_MS = 50;

type Kind = readonly [
  name: string,
  sources: fc.Arbitrary<string>,
  runs: number,
  survives: (source: string) => void,
];

/** Kinds of sources, with their runs: 100,000 for CEL, 100,000 for paths. */
export const MAPPING_FUZZ: readonly Kind[] = [
  ["CEL: expressions", expression, 30_000, survivesCel],
  ["CEL: tokens", soup, 50_000, survivesCel],
  ["CEL: arbitrary text", text, 20_000, survivesCel],
  ["paths: pieces", pathText, 70_000, survivesPath],
  ["paths: arbitrary text", text, 30_000, survivesPath],
  ["time formats", text.map((one) => `%${one}`), 20_000, survivesTimeFormat],
];
