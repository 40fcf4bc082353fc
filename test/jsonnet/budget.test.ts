import { describe, expect, it } from "vitest";
import { compileTemplate, type LimitName } from "../../src/jsonnet/index.ts";
import { withinMs } from "../support/case-time.ts";
import { evaluate, failureOf } from "./evaluate.ts";

/** Arrays that hold the one before twice: 2^60 elements on paper, 61 in memory. */
function doubled(name: string, first: string, next: (before: string) => string): string {
  const lines = Array.from({ length: 60 }, (_, i) => `${name}${i + 1} = ${next(`${name}${i}`)}`);
  return `${name}0 = ${first}, ${lines.join(", ")}`;
}

const arrays = (name: string) => doubled(name, "[1, 1]", (before) => `[${before}, ${before}]`);
const objects = doubled("o", "{ a: 1 }", (before) => `{ a: ${before}, b: ${before} }`);

const HOSTILE: readonly (readonly [source: string, ...limits: LimitName[]])[] = [
  ["std.repeat('x', 1e9)", "steps", "allocation"],
  ["std.repeat([1], 1e9)", "allocation"],
  ["std.makeArray(1e12, function(i) i)", "allocation"],
  ["std.range(0, 1e12)", "allocation"],
  ["[".repeat(200_000), "source"],
  ["[".repeat(60_000), "nesting"],
  [`${"(".repeat(30_000)}1${")".repeat(30_000)}`, "nesting"],
  [`${"!".repeat(60_000)}true`, "nesting"],
  [`1${"+1".repeat(30_000)}`, "nesting"],
  [`{}${".a".repeat(30_000)}`, "nesting"],
  [`std${"()".repeat(30_000)}`, "nesting"],
  [`${"if true then ".repeat(4_000)}1`, "nesting"],
  [`${"local x = ".repeat(6_000)}1`, "nesting"],
  [`${"function(x) ".repeat(5_000)}1`, "nesting"],
  ["local f(x) = f(x + 1); f(0)", "depth"],
  ["local f(x) = f(x + 1) + 1; f(0)", "depth"],
  ["local f(x) = f(x + 1) tailstrict; f(0)", "steps"],
  ["local f(n) = [f(n + 1)]; f(0)", "depth"],
  ["local f(n) = { a: f(n + 1) }; f(0)", "depth"],
  ["local f(n) = [f(n + 1)]; f(0) == f(0)", "depth"],
  ["local f(n) = [f(n + 1)]; std.prune(f(0))", "depth"],
  ["local f(n, s) = if n == 0 then s else f(n - 1, s + s); f(100, 'x')", "allocation"],
  ["local f(n, a) = if n == 0 then a else f(n - 1, a + a); f(100, [1])", "steps", "allocation"],
  ["std.foldl(function(a, i) a + a, std.range(1, 100), 'xy')", "allocation"],
  [`local ${arrays("a")}; a60`, "output", "steps"],
  [`local ${objects}; o60`, "output", "steps"],
  [`local ${arrays("a")}; std.toString(a60)`, "allocation", "steps"],
  [`local ${arrays("a")}, ${arrays("b")}; a60 == b60`, "steps"],
  ["'%1000000000d' % 5", "allocation"],
  ["'%*d' % [1e9, 5]", "allocation"],
  ["local s = std.repeat('a', 2e5); std.findSubstr(std.repeat('a', 1e5) + 'b', s)", "steps"],
  [
    "local s = std.repeat('a', 2e5); [std.split(s, 'b') for i in std.range(1, 10000)]",
    "steps",
    "output",
  ],
  ["local s = std.repeat('a', 2e5); [std.sha512(s) for i in std.range(1, 10000)]", "steps"],
  ["local s = std.repeat('a', 2e5); std.strReplace(s, 'a', s)", "allocation", "steps"],
  ["local s = std.repeat('💩', 5e4); [s[i] for i in std.range(0, 40000)]", "steps", "allocation"],
  ["[1 for a in std.range(1, 1e4) for b in std.range(1, 1e4)]", "steps"],
  ["{ ['' + a]: a for a in std.range(1, 1e6) }", "steps"],
  ["std.foldl(function(o, i) o + { ['' + i]: 1 }, std.range(1, 20000), {})", "allocation", "steps"],
  ["std.sort(std.makeArray(40000, function(i) -i))", "steps"],
  ["std.parseJson(std.repeat('[', 50000) + std.repeat(']', 50000))", "depth"],
  ["std.manifestYamlDoc(std.makeArray(40000, function(i) { a: i }))", "steps", "allocation"],
];

const TITLED = HOSTILE.map(([source, ...limits]) => ({
  title: source.slice(0, 60),
  source,
  limits,
}));

describe("N10: budgets", () => {
  it.each(TITLED)("stops $title within 50 ms, parsing included", ({ source, limits }) => {
    const error = withinMs(50, () => failureOf(source));
    expect(error.kind).toBe("limit");
    expect(limits).toContain(error.limit);
  });

  it("never lets the JavaScript stack overflow: the depth budget is met first", () => {
    const deep =
      "local f(n) = if n == 0 then 0 else [[[[{ a: 1 + (2 + (3 + f(n - 1))) }.a][0]][0]][0]][0]; f(1e6)";
    expect(failureOf(deep).limit).toBe("depth");
    expect(failureOf(deep).line).toBe(1);
  });

  it("recurses as deep as Jsonnet's own default of 500 calls lets it, less what values take", () => {
    expect(evaluate("local f(n) = if n == 0 then 0 else 1 + f(n - 1); f(150)")).toBe(150);
    const tail = "local f(n, a) = if n == 0 then a else f(n - 1, a + 1) tailstrict; f(5000, 0)";
    expect(evaluate(tail)).toBe(5000);
  });

  it("leaves nothing behind: the next evaluation has its full budgets", () => {
    const template = compileTemplate<{ n: number }>(
      "local f(n) = if n == 0 then 0 else 1 + f(n - 1); f(N())",
      { functions: { N: { params: [], run: ({ n }) => n } } },
    );
    for (let i = 0; i < 20; i++) {
      expect(() => template.evaluate({ n: 1e6 })).toThrow("levels deep");
      expect(template.evaluate({ n: 100 })).toBe(100);
    }
  });

  it("takes other budgets for a template or for one evaluation", () => {
    expect(failureOf("std.range(1, 1000)", { output: 100 }).limit).toBe("output");
    expect(failureOf("'a' + 'b'", { allocation: 1 }).limit).toBe("allocation");
    expect(failureOf("1 + 1", { sourceBytes: 4 }).limit).toBe("source");
    expect(failureOf("[[1]]", { nesting: 1 }).limit).toBe("nesting");
    const template = compileTemplate("std.range(1, 1000)");
    expect(() => template.evaluate(undefined, { steps: 10 })).toThrow("10 steps");
    expect(template.evaluate(undefined)).toHaveLength(1000);
  });

  it("counts the source in bytes and the nesting without strings and comments", () => {
    expect(failureOf(`'${"é".repeat(40_000)}'`).limit).toBe("source");
    expect(evaluate(`'${"[".repeat(1000)}' /* ${"(".repeat(1000)} */`)).toHaveLength(1000);
  });
});
