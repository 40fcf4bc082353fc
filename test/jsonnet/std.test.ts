import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evaluate, failureOf } from "./evaluate.ts";
import { SNIPPETS } from "./snippets.ts";
import { MEMBERS } from "./std-members.ts";

const FOLDER = join(import.meta.dirname, "../../src/jsonnet");

describe("N10: the standard library", () => {
  it("has every function of the current version, and a program of the corpus for each", () => {
    // As the reference of the standard library lists them; std.thisFile and std.pi are values.
    const names = `abs acos all any asciiLower asciiUpper asin assertEqual atan atan2 avg base64
      base64Decode base64DecodeBytes ceil char clamp codepoint contains cos count decodeUTF8 deepJoin
      deg2rad encodeUTF8 endsWith equals equalsIgnoreCase escapeStringBash escapeStringDollars
      escapeStringJson escapeStringPython escapeStringXML exp exponent extVar filter filterMap find
      findSubstr flatMap flattenArrays flattenDeepArray floor foldl foldr format get hypot isArray
      isBoolean isDecimal isEmpty isEven isFunction isInteger isNull isNumber isObject isOdd isString
      join length lines log log10 log2 lstripChars makeArray manifestIni manifestJson manifestJsonEx
      manifestJsonMinified manifestPython manifestPythonVars manifestToml manifestTomlEx
      manifestXmlJsonml manifestYamlDoc manifestYamlStream mantissa map mapWithIndex mapWithKey max
      maxArray md5 member mergePatch min minArray mod modulo native objectFields objectFieldsAll
      objectFieldsEx objectHas objectHasAll objectHasEx objectKeysValues objectKeysValuesAll
      objectRemoveKey objectValues objectValuesAll parseHex parseInt parseJson parseOctal parseYaml pow
      primitiveEquals prune rad2deg range remove removeAt repeat resolvePath reverse round rstripChars
      set setDiff setInter setMember setUnion sha1 sha256 sha3 sha512 sign sin slice sort split
      splitLimit splitLimitR sqrt startsWith strReplace stringChars stripChars substr sum tan toString
      trace trim type uniq xnor xor`.split(/\s+/);
    const fields = evaluate("std.objectFieldsAll(std)") as string[];
    expect(names.filter((name) => !fields.includes(name))).toEqual([]);
    const all = SNIPPETS.join("\n");
    const untested = names.filter((name) => !new RegExp(`std\\.${name}\\b`).test(all));
    expect(untested).toEqual(["extVar"]);
  });

  it("shows none of its fields", () => {
    expect(evaluate("std")).toEqual({});
    expect(evaluate("local std = 5; std")).toBe(5);
    expect(evaluate("local std = { length(x):: 'mine' }; std.length('abc')")).toBe("mine");
  });

  it("takes arguments by name", () => {
    expect(evaluate("std.sort(arr=[1, 2], keyF=function(x) -x)")).toEqual([2, 1]);
    expect(evaluate("local f = std.get; f(o={ a: 1 }, f='b', default=3)")).toBe(3);
    expect(failureOf("std.length(y=1)").reason).toContain('no parameter "y"');
    expect(failureOf("std.length()").reason).toContain('"x" is missing');
  });

  it("parses YAML: collections, scalars, blocks, anchors, several documents", () => {
    const parse = (text: string) => evaluate(`std.parseYaml(${JSON.stringify(text)})`);
    expect(parse("a:\n- 1\n- b: x # comment\n  c: 'it''s'\nd: {e: [1, two]}")).toEqual({
      a: [1, { b: "x", c: "it's" }],
      d: { e: [1, "two"] },
    });
    expect(parse("a: |\n  x\n   y\nb: >-\n  p\n  q\n\n  r\nc: p\n  q")).toEqual({
      a: "x\n y\n",
      b: "p q\nr",
      c: "p q",
    });
    expect(parse("[0x1F, 1_000, .5, ~, yes, 1.2.3, '1', \"\\u00e9\"]")).toEqual([
      31,
      1000,
      0.5,
      null,
      true,
      "1.2.3",
      "1",
      "é",
    ]);
    expect(parse("base: &b {x: 1}\nd:\n  <<: *b\n  y: 2\ne: *b")).toEqual({
      base: { x: 1 },
      d: { x: 1, y: 2 },
      e: { x: 1 },
    });
    expect(parse("a: 1\n--- 2\n---\n- 3")).toEqual([{ a: 1 }, 2, [3]]);
    expect(parse(" \n# nothing\n")).toBeNull();
    const wrong = ["a: b: c", "a: [1", "a: 'x", "a: 1\n b: 2", "a: *x", "a: .inf", "a: !!int 1"];
    for (const text of wrong) {
      expect(failureOf(`std.parseYaml(${JSON.stringify(text)})`).kind).toBe("runtime");
    }
  });

  it("merges patches as RFC 7396 does, also of its hidden and absent fields", () => {
    expect(evaluate("std.mergePatch({ a: { b: 1, c:: 2 } }, { a: { d: 3, e: null } })")).toEqual({
      a: { b: 1, d: 3 },
    });
  });
});

it("N10: std has every member that it has in the implementations of its authors, and no other", () => {
  expect(evaluate("std.objectFieldsAll(std)")).toEqual([...MEMBERS].sort());
});

describe("N10: a package of its own", () => {
  it("imports nothing from the rest of the program, and no dependency", () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".ts"),
    );
    expect(files.length).toBeGreaterThan(40);
    for (const file of files) {
      const text = readFileSync(join(FOLDER, file), "utf8");
      const imports = [...text.matchAll(/from "([^"]+)"/g)].map((match) => match[1] as string);
      const outside = imports.filter((path) => {
        if (path.startsWith("node:")) return !["node:crypto", "node:worker_threads"].includes(path);
        if (!path.startsWith(".")) return true;
        return !join(FOLDER, file, "..", path).startsWith(FOLDER);
      });
      expect([file, outside]).toEqual([file, []]);
      expect([file, text.split("\n").length < 300]).toEqual([file, true]);
    }
  });
});
