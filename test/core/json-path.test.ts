import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJsonPath, valueAt } from "../../src/core/json-path.ts";

test("reads keys, indexes and quoted keys", () => {
  expect(parseJsonPath('site.tags[0]["a.b"].x')).toEqual({
    path: ["site", "tags", 0, "a.b", "x"],
    end: 21,
  });
});

test("stops before white space and the equals sign", () => {
  expect(parseJsonPath("a.b = 1")).toEqual({ path: ["a", "b"], end: 3 });
  expect(parseJsonPath("a=1")).toEqual({ path: ["a"], end: 1 });
});

test("says where a key is missing", () => {
  expect(parseJsonPath("")).toEqual({ fault: "a key is missing", at: 0 });
  expect(parseJsonPath("a..b")).toEqual({ fault: "a key is missing", at: 1 });
});

test("never finds what an object inherits", () => {
  expect(valueAt({}, ["toString"])).toBeUndefined();
  expect(valueAt(JSON.parse('{"__proto__":1}'), ["__proto__"])).toBe(1);
  expect(valueAt([1], ["length"])).toBeUndefined();
});

test("any path of quoted keys and indexes comes back as it was written", () => {
  const step = fc.oneof(fc.string(), fc.nat({ max: 999_999 }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (path) => {
      const text = path.map((s) => `[${JSON.stringify(s)}]`).join("");
      expect(parseJsonPath(text)).toEqual({ path, end: text.length });
    }),
  );
});
