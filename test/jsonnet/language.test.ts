import { describe, expect, it } from "vitest";
import { compileTemplate } from "../../src/jsonnet/index.ts";
import { evaluate, failureOf, textOf } from "./evaluate.ts";

type Case = readonly [source: string, value: unknown];

function check(cases: readonly Case[]): void {
  for (const [source, value] of cases) expect([source, evaluate(source)]).toEqual([source, value]);
}

describe("N10: the language, by the chapters of the specification", () => {
  it("lexing: comments, numbers, operators that touch", () => {
    check([
      ["1 // one\n + /* two */ 2 # three", 3],
      ["1_000.5_0e-1_0", 1000.5e-10],
      ["[-1, +1, !true, ~0, 1-1, 1--1]", [-1, 1, false, -1, 0, 2]],
      ["{a:1,assert self.a==1}", { a: 1 }],
    ]);
  });

  it("lexing: strings, verbatim strings, text blocks", () => {
    check([
      [`"\\u00e9\\uD83D\\uDCA9\\/\\t" + 'a"b' + "a'b"`, `é💩/\ta"ba'b`],
      [`@'c:\\x''y' + @"a\\b""c"`, `c:\\x'ya\\b"c`],
      ["|||\n  one\n\n    two\n|||", "one\n\n  two\n"],
      ["|||-\n\t\tone\n\t|||", "one"],
    ]);
  });

  it("desugaring: methods, local functions, implicit plus, array and string slices", () => {
    check([
      ["{ f(x, y=2):: x + y, z: self.f(1) }", { z: 3 }],
      ["local f(x) = x * 2; f(21)", 42],
      ["local o = { a: 1 }; o { b: 2 }", { a: 1, b: 2 }],
      ["[1, 2, 3, 4][1:3] + [1, 2, 3, 4][::3] + [1, 2][-1:]", [2, 3, 1, 4, 2]],
      ["'héllo💩!'[4:6]", "o💩"],
      ["if false then 1", null],
    ]);
  });

  it("objects: self, super and $ are bound late, locals and nested objects see them", () => {
    check([
      ["{ a: 1, b: self.a } + { a: 2 }", { a: 2, b: 2 }],
      ["{ a: 1 } + { a: super.a + 1 } + { a: super.a * 10 }", { a: 20 }],
      ["{ local me = self, a: 1, b: { c: me.a, d: $.a } }", { a: 1, b: { c: 1, d: 1 } }],
      ["{ a+: 1 } + { a+: 2 }", { a: 3 }],
      ["{ x: 1 } { y: 'x' in super, z: 'q' in super }", { x: 1, y: true, z: false }],
      ["({ a: super.b } + { b: 2 }).b", 2],
      ["local A = { n: 'A', f():: self.n }, B = A { n: 'B' }; [A.f(), B.f()]", ["A", "B"]],
    ]);
    expect(failureOf("({} { a: super.b }).a").reason).toContain("super");
  });

  it("objects: visibility is inherited, hidden or forced", () => {
    check([
      ["{ a:: 1 } + { a: 2 }", {}],
      ["{ a:: 1 } + { a::: 2 }", { a: 2 }],
      ["{ a: 1 } + { a:: 2 } + { a: 3 }", {}],
      ["{ a:: 1 } == {}", true],
      ["std.objectFieldsAll({ b:: 1, a: 2 })", ["a", "b"]],
    ]);
  });

  it("objects: assertions hold for the whole object, whoever made them", () => {
    check([
      ["{ assert self.a < 5, a: 1 } + { a: 2 }", { a: 2 }],
      ["{ assert self.b == 1 : 'b', a: 1 } + { b: 1 }", { a: 1, b: 1 }],
      ["'a' in ({ assert false } + { a: 1 })", true],
    ]);
    expect(failureOf("({ assert self.a < 5 : 'a is ' + self.a, a: 1 } + { a: 7 }).a").reason).toBe(
      "a is 7",
    );
  });

  it("objects: computed names, comprehensions, null names", () => {
    check([
      ["{ ['a' + 1]: 1, [null]: 2, [if true then 'c']: 3 }", { a1: 1, c: 3 }],
      [
        "{ local y = x * 2, [k + x]: y for k in ['a', 'b'] for x in [1, 2] if x > 1 }",
        { a2: 4, b2: 4 },
      ],
      ["{ ['f' + x]: self.f0 + x for x in [1] } + { f0: 10 }", { f0: 10, f1: 11 }],
      ["{ [k]+: 1 for k in ['a'] } + { a+: 5 }", { a: 6 }],
      ["{ a: 5 } + { [k]+: 1 for k in ['a'] }", { a: 6 }],
    ]);
    expect(failureOf("{ ['a']: 1, ['a']: 2 }").reason).toContain("twice");
    expect(failureOf("{ [1]: 2 }").reason).toContain("string");
  });

  it("functions: defaults see all parameters, arguments by name in any order", () => {
    check([
      [
        "local f(a, b=a + c, c=10) = [a, b, c]; [f(1), f(1, c=2), f(c=3, a=1)]",
        [
          [1, 11, 10],
          [1, 3, 2],
          [1, 4, 3],
        ],
      ],
      ["local f(x) = if x == 0 then 'done' else f(x - 1) tailstrict; f(3000)", "done"],
      ["(function(x) function(y) x + y)(1)(2)", 3],
      ["function(x=1) { x: x }", { x: 1 }],
    ]);
    expect(failureOf("(function(x) x)()").reason).toContain('"x" is missing');
    expect(failureOf("(function(x) x)(y=1)").reason).toContain('no parameter "y"');
  });

  it("evaluation is lazy: nothing that is not needed can fail", () => {
    check([
      ["local x = error 'no'; 1", 1],
      ["[error 'no', 2][1]", 2],
      ["{ a: error 'no', b: 2 }.b", 2],
      ["(function(x, y) y)(error 'no', 2)", 2],
      ["local xs = [1, xs[0] + 1, xs[1] + 1]; xs", [1, 2, 3]],
      ["true || error 'no'", true],
      ["local f(x) = 1; f(error 'no')", 1],
    ]);
    expect(failureOf("(function(x) 1)(error 'no') tailstrict").reason).toBe("no");
  });

  it("operators: precedence, equality, order by code points", () => {
    check([
      ["1 + 2 * 3 - 8 / 4 % 3", 5],
      ["1 | 2 ^ 3 & 5 << 1", 1 | (2 ^ (3 & (5 << 1)))],
      ["'\\uffff' < '💩' && [1, 2] < [1, 3] && 'a' < 'ab'", true],
      ["[1, { a: [null] }] == [1, { a: [null] }] && 1 != '1'", true],
      ["'a' + 1 + [2] + { b: null } + true", 'a1[2]{"b": null}true'],
      ["'x' in { x:: 1 }", true],
      ["~5 + -(-3)", -3],
    ]);
    expect(failureOf("1 / 0").reason).toBe("Division by zero.");
    expect(failureOf("1e308 * 10").reason).toBe("Overflow.");
    expect(failureOf("{} < {}").reason).toContain("no order");
  });

  it("prints numbers and strings as Jsonnet does", () => {
    expect(textOf("[0.1, 1e21, -0, 1.5e-7, 1e-5, 100, 5e-324]")).toBe(
      "[\n   0.10000000000000001,\n   1000000000000000000000,\n   -0,\n   1.4999999999999999e-07,\n" +
        "   1.0000000000000001e-05,\n   100,\n   4.9406564584124654e-324\n]\n",
    );
    expect(textOf("{ b: [], a: {}, 'é\\u0007\\u007f': '\"' }")).toBe(
      '{\n   "a": { },\n   "b": [ ],\n   "é\\u0007\\u007f": "\\""\n}\n',
    );
  });

  it("counts, slices and compares strings by code points", () => {
    check([
      ["std.length('💩é')", 2],
      ["'a💩b'[1]", "💩"],
      ["std.stringChars('💩a')", ["💩", "a"]],
      ["std.findSubstr('b', '💩ab')", [2]],
      ["std.codepoint('💩')", 128169],
    ]);
  });
});

describe("K06: errors of templates", () => {
  const SYNTAX: readonly (readonly [source: string, place: string, reason: string])[] = [
    ["{ a: 1", "1:7", 'Expected "," or "}" but got the end of the template.'],
    ["[1,\n  2 3]", "2:5", 'Expected "," or "]" but got "3".'],
    ["'💩' + x", "1:7", 'Unknown variable "x".'],
    ["self.a", "1:1", '"self" has a meaning only within an object.'],
    ["$", "1:1", '"$" has a meaning only within an object.'],
    ["super.a", "1:1", '"super" has a meaning only within an object.'],
    ["local a = 1, a = 2; a", "1:14", 'The variable "a" is bound twice.'],
    ["function(x, x) x", "1:13", 'The parameter "x" is named twice.'],
    ["{ a: 1,\n  'a': 2 }", "2:3", 'The field "a" is there twice.'],
    ["{ [self.a]: 1 }", "1:4", '"self" has a meaning only within an object.'],
    ["import 'a.libsonnet'", "1:1", "Templates cannot use import: they read no files."],
    ["importstr '/etc/passwd'", "1:1", "Templates cannot use importstr: they read no files."],
    ["importbin '/etc/passwd'", "1:1", "Templates cannot use importbin: they read no files."],
    ['"abc', "1:1", "The string has no closing quote."],
    ["'\\q'", "1:2", 'Unknown escape sequence "\\q".'],
    ["1 +", "1:4", "Expected an expression but got the end of the template."],
    ["a b", "1:3", 'Expected the end of the template but got the name "b".'],
    ["1..2", "1:2", 'Could not read the number: unexpected ".".'],
    ["/* x", "1:1", "The comment has no closing */."],
    ["f(a=1, 2)", "1:8", "Arguments by position come before arguments by name."],
  ];

  it.each(SYNTAX)("refuses %j when it is compiled, at %s", (source, place, reason) => {
    const error = failureOf(source);
    expect(error).toMatchObject({ kind: "syntax", reason, message: `${place}: ${reason}` });
    expect(() => compileTemplate(source)).toThrow(reason);
  });

  it("says where a running template failed", () => {
    expect(failureOf("{\n  a: [1][2] }").message).toBe("2:9: The index 2 is not within 0 to 0.");
    expect(failureOf("local f(x) =\n x.y;\nf({})").message).toBe(
      '2:4: The object has no field "y".',
    );
    expect(failureOf("1 +\n error 'why'").message).toBe("2:2: why");
    expect(failureOf("std.substr(1,\n 0, 1)").message).toBe(
      "1:11: Expected string but got number.",
    );
  });

  it("reaches nothing outside: no variables, no files, no properties of JavaScript", () => {
    expect(failureOf("std.extVar('HOME')").reason).toContain("no external variables");
    expect(evaluate("std.native('readFile')")).toBeNull();
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(failureOf(`{ a: 1 }.${name}`).reason).toContain("no field");
      expect(failureOf(`std.map.${name}`).reason).toContain("no fields");
      expect(evaluate(`'${name}' in {}`)).toBe(false);
    }
    const own = evaluate("{ ['__proto__']: 1 }") as object;
    expect(Object.keys(own)).toEqual(["__proto__"]);
  });
});
