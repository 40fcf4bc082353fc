import { describe, expect, it } from "vitest";
import { compileTemplate, type HostFunctions, JsonnetError } from "../../src/jsonnet/index.ts";

interface Context {
  readonly body: Record<string, unknown>;
}

const pathsPrepared: string[] = [];

const functions: HostFunctions<Context> = {
  Body: {
    params: ["path?", "default?~"],
    run: ({ body }, path, fallback) => read(body, path as string | undefined, fallback),
    prepare: ([path]) => {
      if (typeof path?.value !== "string") return undefined;
      if (path.value === "bad..path") throw new Error("the path has an empty key");
      const name = path.value;
      pathsPrepared.push(name);
      return ({ body }, _, fallback) => read(body, name, fallback);
    },
  },
  Ip: { params: [], run: () => "192.0.2.1" },
  Nothing: { params: [], run: () => undefined },
  Twice: { params: ["value"], run: (_, value) => [value, value] },
};

function read(body: Record<string, unknown>, path: string | undefined, fallback: unknown): unknown {
  if (path === undefined) return body;
  if (path in body) return body[path];
  if (fallback === undefined) throw new RangeError(`no value at ${path}`);
  return (fallback as () => unknown)();
}

const evaluate = (source: string, body: Record<string, unknown> = {}) =>
  compileTemplate(source, { functions }).evaluate({ body });

describe("N10: functions of the host", () => {
  it("are called by their plain names, with the context of the evaluation", () => {
    const template = compileTemplate<Context>("Ip() + '/' + Body('a')", { functions });
    expect(template.evaluate({ body: { a: 1 } })).toBe("192.0.2.1/1");
    expect(template.evaluate({ body: { a: "x" } })).toBe("192.0.2.1/x");
  });

  it("give JSON that is read as Jsonnet: fields, elements, inheritance", () => {
    const body = { a: { b: [1, [2], { c: null }] }, __proto__x: 1 };
    expect(evaluate("Body().a.b[1][0] + std.length(Body('a').b)", body)).toBe(5);
    expect(evaluate("Body('a') { b: super.b[0], d: self.b + 1 }", body)).toEqual({ b: 1, d: 2 });
    expect(evaluate("[Body(), std.objectFields(Body())]", body)).toEqual([
      body,
      ["__proto__x", "a"],
    ]);
    expect(evaluate("'toString' in Body()", body)).toBe(false);
    expect(() => evaluate("Body().constructor", body)).toThrow("no field");
  });

  it("keep a field named __proto__ what it is", () => {
    const body = JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>;
    const value = evaluate("Body() { a: 1 }", body) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":true},"a":1}');
  });

  it("evaluate lazy arguments only when they ask for them", () => {
    expect(evaluate("Body('a', error 'not needed')", { a: null })).toBeNull();
    expect(evaluate("Body('b', { x: 1 + 1 })")).toEqual({ x: 2 });
    expect(() => evaluate("Body('b', error 'needed')")).toThrow("1:11: needed");
  });

  it("get handles of values that are no scalars, and may give them back", () => {
    expect(evaluate("Twice({ a: 1, f(x):: x })[1].f(5)")).toBe(5);
  });

  it("prepare calls with literal arguments once, when the template is compiled", () => {
    pathsPrepared.length = 0;
    const template = compileTemplate<Context>("[Body('p'), Body('p' + 'q', 0)]", { functions });
    template.evaluate({ body: { p: 1 } });
    template.evaluate({ body: { p: 2 } });
    expect(pathsPrepared).toEqual(["p"]);
  });

  it("refuse a template when a call cannot be prepared, with line and column", () => {
    expect(() => compileTemplate<Context>("[1,\n Body('bad..path')]", { functions })).toThrow(
      "2:6: the path has an empty key",
    );
  });

  it("fail with what they threw as the cause, at the place of the call", () => {
    try {
      evaluate("{\n  a: Body('missing') }");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(JsonnetError);
      expect(error).toMatchObject({ kind: "runtime", line: 2, reason: "no value at missing" });
      expect((error as Error).cause).toBeInstanceOf(RangeError);
    }
  });

  it("are refused what is not JSON", () => {
    expect(() => evaluate("Nothing()")).toThrow("not JSON");
  });

  it("are values too, and reached by std.native", () => {
    expect(evaluate("std.map(Body, ['a', 'b'])", { a: 1, b: 2 })).toEqual([1, 2]);
    expect(evaluate("std.native('Ip')() + std.type(std.native('Other'))")).toBe("192.0.2.1null");
    expect(evaluate("local Ip() = 'mine'; Ip()")).toBe("mine");
    expect(evaluate("Body(default=3, path='x')")).toBe(3);
    expect(() => evaluate("Body(1, 2, 3)")).toThrow("takes 2 arguments, not 3");
  });

  it("never mix two evaluations, even when one starts another", () => {
    const inner = compileTemplate<Context>("Body('v')", { functions });
    const outer = compileTemplate<Context>("[Body('v'), Inner(), Body('v')]", {
      functions: {
        ...functions,
        Inner: { params: [], run: () => inner.evaluate({ body: { v: 2 } }) },
      },
    });
    expect(outer.evaluate({ body: { v: 1 } })).toEqual([1, 2, 1]);
  });
});
