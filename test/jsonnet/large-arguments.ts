/** Every function of the standard library, called again and again with arguments as large as they get. */
import fc from "fast-check";
import { compileTemplate } from "../../src/jsonnet/index.ts";

const LARGE: Readonly<Record<string, string>> = {
  plain: "std.repeat('a', 2e5)",
  wide: "std.repeat('💩é', 1e5)",
  digits: "std.repeat('1', 2e5)",
  lines: "std.repeat('- a\\n', 5e4)",
  json: "'[' + std.repeat('1,', 1e5) + '1]'",
  open: "std.repeat('[', 2e5)",
  numbers: "std.makeArray(20000, function(i) i)",
  texts: "std.makeArray(20000, function(i) '' + i)",
  fields: "{ ['' + i]: i for i in std.range(1, 5000) }",
  objects: "std.makeArray(3000, function(i) { a: i, b: { c: i } })",
  pairs: "std.makeArray(3000, function(i) [i, i])",
  nested: "std.foldl(function(x, i) [x], std.range(1, 150), 1)",
  five: "5",
  billion: "1e9",
  format: "'%s%s '",
  empty: "''",
  f: "function(x) x",
  g: "function(x, y) x",
};

const NAMES = compileTemplate("std.objectFieldsAll(std)").evaluate(undefined) as string[];
const LOCALS = Object.entries(LARGE).map(([name, value]) => `${name} = ${value}`);

const argument = fc.constantFrom(...Object.keys(LARGE));
const call = fc
  .tuple(fc.constantFrom(...NAMES), fc.array(argument, { minLength: 1, maxLength: 3 }))
  .map(([name, parts]) => `std.${name}(${parts.join(", ")})`);
const operation = fc
  .tuple(argument, fc.constantFrom("+", "==", "<", "%", "in"), argument)
  .map((parts) => `(${parts.join(" ")})`);

/** Programs that cost as much as they can for what they pay. */
export const expensive = fc
  .tuple(fc.oneof({ weight: 9, arbitrary: call }, operation), fc.boolean())
  .map(([what, isRepeated]) => {
    const body = isRepeated ? `[std.type(${what}) for i in std.range(1, 20000)]` : what;
    return `local ${LOCALS.join(", ")}; ${body}`;
  });
