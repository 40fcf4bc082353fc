/** Functions and `local`. */
import type { Node, NodeOf } from "./ast.ts";
import { type Compiler, compileItem, compileThunk } from "./compiler.ts";
import { type Scope, withFrame, withNames } from "./scope.ts";
import { Closure, type Code, type FunctionPlan } from "./value.ts";

/** Code that makes the function. Parameters can be seen in the defaults of all of them. */
export function compileFunction(compiler: Compiler, node: NodeOf<"function">, scope: Scope): Code {
  const params = node.params.map((param) => param.name);
  const inner = withFrame(scope, params);
  const defaults = node.params
    .map(({ fallback }) => fallback ?? undefined)
    .map((fallback) => fallback && compiler.compile(fallback, inner));
  const code = compiler.compileTail(node.body, inner);
  const plan: FunctionPlan = { params, defaults, code, size: inner.layout.size };
  return (frame) => new Closure(plan, frame);
}

/** Code that binds the variables, which may use each other, and goes on with the body. */
export function compileLocal(
  compiler: Compiler,
  node: NodeOf<"local">,
  { scope, compileBody }: { scope: Scope; compileBody: (body: Node, scope: Scope) => Code },
): Code {
  const inner = withNames(
    scope,
    node.binds.map((bind) => bind.name),
  );
  const binds = node.binds.map(({ name, body }) => ({
    slot: inner.names.get(name) as number,
    item: (body.kind === "variable" ? compileThunk : compileItem)(compiler, body, inner),
  }));
  const body = compileBody(node.body, inner);
  const [only] = binds;
  if (binds.length === 1 && only) {
    const { slot, item } = only;
    return (frame) => {
      frame[slot] = item(frame);
      return body(frame);
    };
  }
  return (frame) => {
    for (const { slot, item } of binds) frame[slot] = item(frame);
    return body(frame);
  };
}
