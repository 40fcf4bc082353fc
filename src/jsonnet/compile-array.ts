/** Arrays, and the loops of comprehensions. */
import type { NodeOf, Spec } from "./ast.ts";
import { isTrue } from "./compile-check.ts";
import { type Compiler, compileItem } from "./compiler.ts";
import { runtimeFault } from "./errors.ts";
import { allocate, spend } from "./meter.ts";
import { type Scope, withFrame } from "./scope.ts";
import { type Code, type Frame, type Item, typeName } from "./value.ts";

/** Code for `[a, b, …]`; the elements wait until somebody needs them. */
export function compileArray(compiler: Compiler, node: NodeOf<"array">, scope: Scope): Code {
  const items = node.items.map((item) => compileItem(compiler, item, scope));
  const bytes = 16 + items.length * 48;
  return (frame) => {
    allocate(bytes);
    return items.map((item) => item(frame));
  };
}

/** Code for `[body for x in xs if test]`. */
export function compileArrayComprehension(
  compiler: Compiler,
  node: NodeOf<"arrayComprehension">,
  scope: Scope,
): Code {
  const { loop, inner } = compileLoop(compiler, node.specs, scope);
  const body = compileItem(compiler, node.body, inner);
  return (frame) => {
    const items: Item[] = [];
    loop(frame, (at) => items.push(body(at)));
    return items;
  };
}

/** Runs `visit` with a frame for each combination of the loops' variables. */
export type Loop = (frame: Frame, visit: (frame: Frame) => void) => void;

/** Code for `for` and `if` clauses, and the scope that they end in. */
export function compileLoop(
  compiler: Compiler,
  specs: readonly Spec[],
  scope: Scope,
): { loop: Loop; inner: Scope } {
  const [spec, ...rest] = specs;
  if (!spec) return { loop: (frame, visit) => visit(frame), inner: scope };
  if (spec.kind === "if") {
    const test = compiler.compile(spec.test, scope);
    const { loop, inner } = compileLoop(compiler, rest, scope);
    const filtered: Loop = (frame, visit) => {
      if (isTrue(test(frame), spec.at)) loop(frame, visit);
    };
    return { loop: filtered, inner };
  }
  const source = compiler.compile(spec.source, scope);
  const own = withFrame(scope, [spec.name]);
  const { loop, inner } = compileLoop(compiler, rest, own);
  const each: Loop = (frame, visit) => {
    const items = source(frame);
    if (!Array.isArray(items)) {
      throw runtimeFault(`A loop goes over arrays, not ${typeName(items)}.`, spec.at);
    }
    for (const item of items) {
      spend(1);
      allocate(80);
      const next: Frame = new Array(own.layout.size);
      next[0] = frame;
      next[1] = item;
      loop(next, visit);
    }
  };
  return { loop: each, inner };
}
