import fc from "fast-check";
import { expect, test } from "vitest";
import { forEachMember } from "../../src/core/json-members.ts";

function membersOf(text: string): [string, string][] {
  const members: [string, string][] = [];
  forEachMember(text, (name, value) => members.push([name, value]));
  return members;
}

test("N12: values stay the text they were written as", () => {
  const text = ' {"a" : 9007199254740993 ,"b":1e400,"c\\u0041":[1, {"x":"]}\\\\"}] , "d":"\\"," }';
  expect(membersOf(text)).toEqual([
    ["a", "9007199254740993"],
    ["b", "1e400"],
    ["cA", '[1, {"x":"]}\\\\"}]'],
    ["d", '"\\","'],
  ]);
  expect(membersOf("{}")).toEqual([]);
  expect(membersOf("[1]")).toEqual([]);
});

test("gives the members that JSON.parse gives, for any object and spacing", () => {
  const space = fc.constantFrom(undefined, 1, "\t");
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
      space,
      (object, gap) => {
        const text = JSON.stringify(object, null, gap);
        const parsed = JSON.parse(text) as object;
        const found = membersOf(text).map(([name, value]) => [name, JSON.parse(value)]);
        expect(found).toEqual(Object.entries(parsed));
      },
    ),
  );
});

test("comes to an end on any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\ a1') }), (text) => {
      try {
        membersOf(text);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
  );
});
