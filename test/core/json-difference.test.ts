import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonDifferences } from "../../src/core/json-difference.ts";

test("names the members that differ, by path; lists are compared whole", () => {
  const before = { a: 1, b: { c: "x", d: [1, 2] }, gone: true };
  const after = { a: 1, b: { c: "y", d: [1, 2, 3] }, fresh: null };
  expect(jsonDifferences(before, after)).toEqual([
    { path: "b.c", before: "x", after: "y" },
    { path: "b.d", before: [1, 2], after: [1, 2, 3] },
    { path: "fresh", before: undefined, after: null },
    { path: "gone", before: true, after: undefined },
  ]);
});

test("property: equal values have no difference, and others have one", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      expect(jsonDifferences(a, structuredClone(a))).toEqual([]);
      const isEqual = JSON.stringify(a) === JSON.stringify(b);
      if (jsonDifferences(a, b).length === 0 && !isEqual) {
        expect(a).toEqual(b);
      }
    }),
  );
});
