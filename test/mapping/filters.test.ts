import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { compileFilter } from "../../src/mapping/filters/filter.ts";
import { type MappedRecord, RecordView } from "../../src/mapping/record-view.ts";
import { withinMs } from "../support/case-time.ts";

function record(value: string): MappedRecord {
  return {
    recordId: "019a0000-0000-7000-8000-000000000000",
    json: Buffer.from(value),
    arrivalTimeUs: Date.parse("2026-03-01T10:00:00Z") * 1000,
    call: { address: "203.0.113.7", headers: [{ name: "x-kind", value: "a" }] },
  };
}

function passes(filter: JsonValue, value: unknown): boolean {
  const compiled = compileFilter(fromJson(FilterSchema, filter));
  if (Array.isArray(compiled)) throw new Error(JSON.stringify(compiled));
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const { fields } = compiled;
  const bodyOf = (json: string) => ({ text: json, json });
  return compiled.passes(new RecordView(record(text), { fields, paths: fields, bodyOf }));
}

const faults = (filter: JsonValue) => {
  const compiled = compileFilter(fromJson(FilterSchema, filter));
  return Array.isArray(compiled) ? compiled.map((f) => `${f.field}: ${f.description}`) : [];
};
const terms = (...list: JsonValue[]): JsonValue => ({ fields: { terms: list } });

describe("E19: fields and values", () => {
  const A = { field: "a", value: 1 };
  const B = { field: "b", value: 1 };
  const C = { field: "c", value: 1 };
  const D = { field: "d", value: 1 };
  const shapes: [string, JsonValue, (a: boolean, b: boolean, c: boolean, d: boolean) => boolean][] =
    [
      ["a AND b", terms(A, B), (a, b) => a && b],
      ["a OR b", terms({ or: [A, B] }), (a, b) => a || b],
      ["a AND (b OR c)", terms(A, { or: [B, C] }), (a, b, c) => a && (b || c)],
      ["(b OR c) AND a", terms({ or: [B, C] }, A), (a, b, c) => a && (b || c)],
      [
        "(a OR b) AND (c OR d)",
        terms({ or: [A, B] }, { or: [C, D] }),
        (a, b, c, d) => (a || b) && (c || d),
      ],
      [
        "(a AND b) OR (c AND d)",
        terms({ or: [{ and: [A, B] }, { and: [C, D] }] }),
        (a, b, c, d) => (a && b) || (c && d),
      ],
    ];
  test.each(shapes)("truth table of %s", (_title, filter, wanted) => {
    for (let bits = 0; bits < 16; bits++) {
      const [a, b, c, d] = [bits & 1, bits & 2, bits & 4, bits & 8].map(Boolean);
      const value = { a: Number(a), b: Number(b), c: Number(c), d: Number(d) };
      expect(passes(filter, value)).toBe(wanted(a!, b!, c!, d!));
    }
  });

  test("a list means any of; nested fields by dotted path; arrays fit by any item", () => {
    const filter = terms({ field: "event.type.id", value: [1, "two", null] });
    expect(passes(filter, { event: { type: { id: 1 } } })).toBe(true);
    expect(passes(filter, '{"event":{"type":{"id":1.0}}}')).toBe(true);
    expect(passes(filter, { event: { type: { id: "two" } } })).toBe(true);
    expect(passes(filter, { event: { type: { id: null } } })).toBe(true);
    expect(passes(filter, { event: { type: { id: "1" } } })).toBe(false);
    expect(passes(filter, { event: { type: {} } })).toBe(false);
    expect(passes(filter, { event: { type: { id: [7, 1] } } })).toBe(true);
    expect(passes(filter, { event: { type: { id: [] } } })).toBe(false);
    expect(passes(terms({ field: "s", value: "é" }), '{"s":"\\u00e9"}')).toBe(true);
  });

  test("what makes no sense is refused with its place, all at once", () => {
    expect(
      faults(
        terms(
          { field: "a" },
          { field: "a", value: { x: 1 } },
          { field: "a[", value: 1 },
          {},
          { field: "a", value: 1, or: [A] },
        ),
      ),
    ).toEqual([
      "fields.terms[0].value: is required: a value, or a list of values",
      "fields.terms[1].value: a value is a string, number, bool or null",
      "fields.terms[2].field: is no path at character 2",
      "fields.terms[3]: set exactly one of field, or, and",
      "fields.terms[4]: set exactly one of field, or, and",
    ]);
    expect(compileFilter(create(FilterSchema))).toEqual([
      { field: "", description: "say which records pass: by fields, or by cel" },
    ]);
  });
});

describe("E19: the same filters as CEL", () => {
  test.each<[string, unknown, boolean]>([
    ["record.a == 1 && (record.b == 1 || record.c == 1)", { a: 1, b: 0, c: 1 }, true],
    ["record.a == 1 && (record.b == 1 || record.c == 1)", { a: 0, b: 1, c: 1 }, false],
    ["record.n > 9007199254740992", '{"n":9007199254740993}', true],
    ["record.t in ['x', 'y']", { t: "y" }, true],
    ["record.missing == 1", {}, false],
    ["!has(record.missing)", {}, true],
    ["record.tags.exists(t, t == 'x')", { tags: ["y", "x"] }, true],
    ["headers['x-kind'] == 'a' && ip == '203.0.113.7'", {}, true],
    ["time > timestamp('2026-01-01T00:00:00Z')", {}, true],
    ["id.startsWith('019a')", {}, true],
    ["record.a", { a: "text" }, false],
  ])("%s", (cel, value, wanted) => {
    expect(passes({ cel }, value)).toBe(wanted);
  });

  test.each([
    ["a +", /^cel: at 1:/],
    ["recrd.a == 1", /^cel: recrd is not known; there are record, id, ip, headers, time/],
    ["nope(record.a)", /^cel: no function is named nope/],
    ["record.a.all(x, record.b.all(y, x == y))", /^cel: a macro such as exists\(\) may not/],
  ])("%s is refused", (cel, wanted) => {
    expect(faults({ cel })).toEqual([expect.stringMatching(wanted)]);
  });
});

describe("E19: a filter never holds up the thread that it runs on", () => {
  const items = Array.from({ length: 50_000 }, (_, i) => i);
  const hostile: [string, unknown][] = [
    ["record.l.all(x, x in record.l)", { l: items }],
    ["record.l.all(x, record.l == record.l)", { l: items }],
    ["record.l.map(x, record.l + record.l).size() > 0", { l: items }],
    ["record.l.all(x, !record.s.contains('ab'))", { l: items, s: "a".repeat(100_000) }],
    ["record.l.all(x, !record.s.matches('(a|aa)*b'))", { l: items, s: "a".repeat(10_000) }],
    [`record.l.all(x, ${"x || x || ".repeat(200)} x == x)`, { l: items }],
    [`${"record.s.matches('(a|aa)*b') || ".repeat(100)} true`, { s: "a".repeat(900_000) }],
  ];
  test.each(hostile)("%s lets no record pass, soon", (cel, value) => {
    const text = JSON.stringify(value);
    expect(withinMs(250, () => passes({ cel }, text))).toBe(false);
  });

  test("what a filter may cost is plenty for a record of 20,000 items", () => {
    const value = { l: items.slice(0, 20_000), limit: 1e6 };
    expect(passes({ cel: "record.l.all(x, x < record.limit)" }, value)).toBe(true);
    expect(passes({ cel: "19999 in record.l && record.l.exists(x, x == 19999)" }, value)).toBe(
      true,
    );
  });
});
